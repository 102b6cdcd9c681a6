// Makes outputs usable without a mouse and fields readable aloud; ipywidgets sets no such attributes.
//
// Lumino, which handles JupyterLab's shortcuts, skips an element with `data-lm-suppress-shortcuts` (the element itself:
// selectors such as `.jp-Notebook :focus` match it before an ancestor is looked at). Else Enter does not open a fold, the
// arrow keys move the notebook and `x` cuts the cell while a drop-down has the focus. Ctrl+S and the like still work.
const SUPPRESS = "data-lm-suppress-shortcuts"

const keepKeys = event => {
  if (event.target.closest?.(".qf")) {
    event.target.toggleAttribute(SUPPRESS, !(event.ctrlKey || event.metaKey || event.altKey))
  }
}

// The title of a field is no <label>: ipywidgets makes the input elsewhere.
const focusField = event => {
  const title = event.target.closest?.(".qf-f .qf-label")
  title?.closest(".qf-f").querySelector("input, select")?.focus()
}

const set = (element, name, value) => {
  if (value === null) element.removeAttribute(name)
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

const describeControls = root => {
  for (const field of root.querySelectorAll(".qf-f")) {
    const control = field.querySelector("input, select"), title = field.querySelector(".qf-label")
    if (!control || !title) continue
    const error = field.querySelector(".qf-err"), text = error ?? field.querySelector(".qf-hint")
    set(title, "id", `${control.id}-title`)
    if (text) set(text, "id", `${control.id}-text`)
    set(control, "aria-labelledby", title.id)
    set(control, "aria-describedby", text ? text.id : null)
    set(control, "aria-invalid", error ? "true" : null)
  }
  for (const button of root.querySelectorAll(".qf-fold")) {
    set(button, "aria-expanded", String(button.classList.contains("qf-open")))
  }
}
