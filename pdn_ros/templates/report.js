(() => {
  const root = document.documentElement;
  const frames = JSON.parse(document.getElementById("frames").textContent);
  if (!frames.length) return;
  const slider = document.getElementById("frame");
  const play = document.getElementById("play");
  const strip = document.querySelector(".strip");
  const icons = { true: "M6 4h4v16H6zM14 4h4v16h-4z", false: "M7 4l13 8-13 8z" };
  let timer = 0;

  const keys = [];
  const shown = Math.min(10, frames.length);
  for (let i = 0; i < shown; i++) {
    const at = Math.round((i * (frames.length - 1)) / Math.max(1, shown - 1));
    const first = document.getElementById("view-camera");
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `Frame at ${frames[at].seconds.toFixed(1)} s`);
    const image = new Image(first.width, first.height);
    image.alt = "";
    image.src = frames[at].pictures["view-mask"] || frames[at].pictures["view-camera"];
    image.style.aspectRatio = first.style.aspectRatio;
    button.append(image);
    button.addEventListener("click", () => go(at));
    strip.append(button);
    keys.push([at, button]);
  }

  function go(at) {
    slider.value = Math.max(0, Math.min(frames.length - 1, at));
    show();
  }

  function show() {
    const at = Number(slider.value);
    const frame = frames[at];
    for (const image of document.querySelectorAll(".views img, .maps img")) {
      // A frame may lack a picture, before the first scan for example: keep its place, empty.
      image.src = frame.pictures[image.id] || "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
    }
    const text = `${frame.seconds.toFixed(1)} s · ${at + 1}/${frames.length}`;
    document.getElementById("when").textContent = text;
    document.getElementById("facts").textContent = frame.facts;
    slider.setAttribute("aria-valuetext", `image ${frame.index}, ${frame.seconds.toFixed(1)} seconds`);
    let nearest = keys[0];
    for (const key of keys) if (Math.abs(key[0] - at) < Math.abs(nearest[0] - at)) nearest = key;
    for (const key of keys) key[1].setAttribute("aria-current", String(key === nearest));
    root.dataset.frame = frame.index;
  }

  function run(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => go((Number(slider.value) + 1) % frames.length), 250) : 0;
    play.setAttribute("aria-pressed", String(on));
    play.setAttribute("aria-label", on ? "Pause" : "Play");
    play.querySelector("path").setAttribute("d", icons[on]);
  }

  slider.addEventListener("input", show);
  play.addEventListener("click", () => run(!timer));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const inside = event.target.closest("input, button, .scroll, .views");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && !(inside && inside.matches("input, .scroll"))) {
      event.preventDefault();
      run(false);
      go(Number(slider.value) + step);
    } else if (event.key === " " && !(inside && inside.matches("button"))) {
      event.preventDefault();
      run(!timer);
    }
  });
  show();
})();
