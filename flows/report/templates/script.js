"use strict";

// Buttons that copy SQL; without this script it can be selected.
function addCopyButtons(root) {
  for (const block of root.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block);
      }
    });
    block.after(button);
  }
}

// Replaces a part of the page by its new text, and keeps what is open and where the focus is.
function replace(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const part = holder.content.firstElementChild;
  addCopyButtons(part);
  const open = [...old.querySelectorAll("details")].map((each) => each.open);
  part.querySelectorAll("details").forEach((each, at) => {
    if (at < open.length) each.open = open[at];
  });
  const places = "a, button, input, summary, [tabindex]";
  const focus = [...old.querySelectorAll(places)].indexOf(document.activeElement);
  old.replaceWith(part);
  if (focus >= 0) part.querySelectorAll(places)[focus]?.focus({ preventScroll: true });
}

// The stream sends what has changed since the last commit of the job.
function follow(address) {
  const stream = new EventSource(address);
  stream.addEventListener("part", (event) => {
    const { id, html } = JSON.parse(event.data);
    replace(id, html);
  });
  stream.addEventListener("error", () => {
    const status = document.getElementById("status");
    if (status && stream.readyState === EventSource.CLOSED) {
      status.textContent = "This page no longer follows the job. Load it again to go on.";
    }
  });
}

addCopyButtons(document);
const streamed = document.querySelector("[data-stream]");
if (streamed) follow(streamed.dataset.stream);
