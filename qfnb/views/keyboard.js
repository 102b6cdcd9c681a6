// Makes the form around this element usable without a mouse and readable aloud; ipywidgets sets no such attributes.
// Lumino, which handles JupyterLab's shortcuts, skips an element with `data-lm-suppress-shortcuts` (the element itself:
// selectors such as `.jp-Notebook :focus` match it before an ancestor is looked at). Else the arrow keys move the
// notebook and `x` cuts the cell while a drop-down has the focus. Ctrl+S and the like still work.
const SUPPRESS = "data-lm-suppress-shortcuts"

const set = (element, name, value) => {
  if (value === null) element.removeAttribute(name)
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

const describe = form => {
  for (const field of form.querySelectorAll(".qf-f")) {
    const control = field.querySelector("input, select"), title = field.querySelector(".qf-label")
    if (!control || !title) continue
    const error = field.querySelector(".qf-err"), text = error ?? field.querySelector(".qf-hint")
    set(title, "id", `${control.id}-title`)
    if (text) set(text, "id", `${control.id}-text`)
    set(control, "aria-labelledby", title.id)
    set(control, "aria-describedby", text ? text.id : null)
    set(control, "aria-invalid", error ? "true" : null)
  }
}

const render = ({ el }) => {
  let form = null, frame = 0
  const observer = new MutationObserver(() => describe(form))
  const onKey = event => {
    if (form?.contains(event.target)) {
      event.target.toggleAttribute(SUPPRESS, !(event.ctrlKey || event.metaKey || event.altKey))
    }
  }
  const attach = () => {
    form = el.closest(".qf-panel")
    if (!form) return void (frame = requestAnimationFrame(attach)) // not in the page yet
    describe(form)
    observer.observe(form, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] })
    window.addEventListener("keydown", onKey, true) // before the page's own listener
  }
  attach()
  return () => {
    cancelAnimationFrame(frame)
    observer.disconnect()
    window.removeEventListener("keydown", onKey, true)
  }
}

export default { render }
