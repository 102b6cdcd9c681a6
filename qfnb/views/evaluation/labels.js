// Sends the keys that label a question to the kernel, with the question that was on the screen when they were pressed:
// a key that is pressed twice does not label the next question unseen. The panel takes the focus when it is clicked.
const render = ({ model, el }) => {
  let panel = null, frame = 0
  const onKey = event => {
    if (!panel?.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return
    const key = event.key.toLowerCase()
    if (!model.get("letters").includes(key)) return
    event.preventDefault()
    event.stopImmediatePropagation() // before the notebook's own listener, which cuts cells with x
    if (!event.repeat) model.send({ key, item: model.get("item") })
  }
  const onClick = event => {
    if (!event.target.closest("button, a, summary, input")) panel.focus({ preventScroll: true })
  }
  const attach = () => {
    panel = el.closest(".qf-panel")
    if (!panel) return void (frame = requestAnimationFrame(attach)) // not in the page yet
    panel.tabIndex = 0
    panel.setAttribute("role", "group")
    panel.setAttribute("aria-label", model.get("label"))
    panel.addEventListener("click", onClick)
    window.addEventListener("keydown", onKey, true)
  }
  attach()
  return () => {
    cancelAnimationFrame(frame)
    panel?.removeEventListener("click", onClick)
    window.removeEventListener("keydown", onKey, true)
  }
}

export default { render }
