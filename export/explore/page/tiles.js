// Examples side by side, each a button; the arrow keys go from one to the next.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param place the element that is filled
 * @param views an element for each example
 * @param name function of a number to what a screen reader says
 * @param choose called with the number of the button that is pressed
 */
export function tiles(place, views, name, choose) {
  const held = place.contains(document.activeElement);
  const buttons = views.map((view, i) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", tabIndex: i ? -1 : 0, ariaLabel: name(i), ariaPressed: "false" });
    if (view.tagName === "SPAN") Object.assign(button, { className: "row", ariaLabel: null });
    button.append(view);
    button.addEventListener("click", () => {
      mark(buttons, button);
      choose(i);
    });
    return button;
  });
  place.replaceChildren(...buttons);
  place.onkeydown = (event) => {
    const [across, down] = STEPS[event.key] ?? [];
    const at = buttons.indexOf(document.activeElement);
    if (across === undefined || at < 0) return;
    event.preventDefault();
    const width = buttons.filter(({ offsetTop }) => offsetTop === buttons[0].offsetTop).length;
    reach(buttons, buttons[at + across + width * down]);
  };
  if (held) buttons[0]?.focus();
}

function mark(buttons, pressed) {
  for (const button of buttons) button.ariaPressed = String(button === pressed);
  reach(buttons, pressed);
}

function reach(buttons, next) {
  if (!next) return;
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
  next.focus();
}
