"use strict";
// A frame's viewer: two of its layers over each other, and how much of the left one is shown.
for (const frame of document.querySelectorAll(".frame")) {
  const stage = frame.querySelector(".stage");
  const range = stage.querySelector("input");
  const chosen = { left: frame.dataset.left, right: frame.dataset.right };

  const cut = () => stage.style.setProperty("--cut", `${range.value}%`);
  const show = () => {
    for (const layer of stage.querySelectorAll(".layer")) {
      for (const side of ["left", "right"]) {
        layer.classList.toggle(side, layer.dataset.layer === chosen[side]);
      }
    }
    const titles = new Set();
    for (const key of frame.querySelectorAll(".key")) {
      const title = key.querySelector(".name").textContent;
      const shown = Object.values(chosen).includes(key.dataset.layer) && !titles.has(title);
      key.hidden = !shown;
      if (shown) titles.add(title); // depth and ground truth have one key
    }
  };
  for (const set of frame.querySelectorAll("fieldset")) {
    set.addEventListener("change", (event) => {
      chosen[set.dataset.side] = event.target.value;
      show();
    });
  }
  range.addEventListener("input", cut); // arrow keys, Home, End

  // Anywhere on the picture, by mouse, pen or finger; up and down still scrolls the page.
  const drag = (event) => {
    const place = stage.getBoundingClientRect();
    range.value = (100 * (event.clientX - place.left)) / place.width;
    cut();
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    drag(event);
    range.focus({ preventScroll: true });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
  });
  show();
  cut();
}
document.documentElement.dataset.ready = "yes";
