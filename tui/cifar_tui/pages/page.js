// The key has done its work: the page's cookie lets it in from now on.
history.replaceState(null, "", location.pathname);

addEventListener("load", () => {
  const whenChanged = new MutationObserver(() => {
    const page = document.body.classList;
    if (page.contains("-closed")) document.querySelector(".ended a").focus();
    else if (page.contains("-loaded")) document.querySelector(".xterm-helper-textarea").focus();
  });
  whenChanged.observe(document.body, { attributeFilter: ["class"] });
});
