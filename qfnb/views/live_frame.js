// Draws the widgets of a live output in the place of its static form, as long as the kernel has them.
//
// A notebook keeps the static form alone: HTML in an element of the class `qf-frame-ID`. This model finds that element
// without a view of its own in the output, since the page would show an error for a view whose kernel is gone.
const POLL_MS = 100

const send = (view, ...types) => {
  for (const type of types) view.luminoWidget.processMessage({ type, isConductible: false })
}

const remove = view => {
  send(view, "before-detach", "after-detach")
  view.el.remove()
  view.remove()
}

const findModel = async (manager, id, signal) => {
  while (!manager.has_model(id) && !signal.aborted) await new Promise(done => setTimeout(done, POLL_MS)) // page reloads
  return manager.get_model(id)
}

const initialize = ({ model }) => {
  const name = `qf-frame-${model.get("name")}`, manager = model.widget_manager
  const kernelEnd = manager.kernel?.disposed // it was shut down or changed: JupyterLab leaves its models as if they lived
  const views = new Map() // by the element that holds it, each a promise
  const forms = new Map() // the static form of an element, which is out of the page while the widgets are there
  const finished = new WeakSet() // elements that show the final form
  const aborting = new AbortController()
  let panel = null, focused = null

  const create = async () => {
    const view = await manager.create_view(panel)
    view.el.addEventListener("focusin", event => { focused = event.target })
    view.el.addEventListener("focusout", ({ target }) => queueMicrotask(() => {
      if (target.isConnected && target === focused) focused = null // not taken out of the page with its output
    }))
    return view
  }
  const attach = (element, view) => {
    const isNew = !view.luminoWidget.isAttached
    forms.set(element, [...element.childNodes])
    if (isNew) send(view, "before-attach")
    element.replaceChildren(view.el)
    if (isNew) send(view, "after-attach")
    if (focused && view.el.contains(focused)) focused.focus({ preventScroll: true })
    model.send({ type: "attached" })
  }
  const update = () => {
    for (const element of document.getElementsByClassName(name)) {
      if (views.has(element) || finished.has(element)) continue
      if (model.get("final_html")) {
        finished.add(element)
        element.innerHTML = model.get("final_html")
        continue
      }
      const previous = [...views.keys()].find(other => !other.isConnected) // the output was renewed
      const view = previous ? views.get(previous) : create()
      views.delete(previous)
      forms.delete(previous)
      views.set(element, view)
      view.then(view => views.has(element) && attach(element, view))
    }
  }
  const observer = new MutationObserver(update)
  const detach = () => {
    observer.disconnect()
    for (const view of views.values()) view.then(remove)
    for (const [element, form] of forms) element.replaceChildren(...form)
    views.clear()
    forms.clear()
  }
  const show = () => {
    detach()
    if (!panel?.comm_live && !model.get("final_html")) return
    observer.observe(document.body, { subtree: true, childList: true })
    update()
  }
  const replace = async () => {
    panel?.off("comm_live_update", show)
    if (!model.get("panel")) return void (panel = null) // the final form is there
    panel = await findModel(manager, model.get("panel").split("_").pop(), aborting.signal)
    panel.on("comm_live_update", show)
    show()
  }
  model.on("change:panel", replace)
  model.on("change:final_html", show)
  kernelEnd?.connect(detach)
  if (model.get("final_html")) show() // after a reload: its panel is closed
  else replace()
  return () => {
    aborting.abort()
    kernelEnd?.disconnect(detach)
    panel?.off("comm_live_update", show)
    detach()
  }
}

export default { initialize }
