"use strict";
// Adds a button that copies to each block marked for it. All else of the site works without JavaScript.
for (const block of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copier";
  const said = document.createElement("span");
  said.className = "hidden";
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    const source = block.querySelector("code") || block.querySelector("pre") || block;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copié";
      said.textContent = "Copié dans le presse-papiers";
    } catch {
      getSelection().selectAllChildren(source);
      said.textContent = "Texte sélectionné : copiez-le avec le clavier";
    }
    setTimeout(() => { button.textContent = "Copier"; said.textContent = ""; }, 3000);
  });
  block.prepend(button, said);
}
