// Draws the widgets of a live output in the place of its static form, as long as the kernel has them.
//
// A notebook keeps the static form alone: HTML in an element of the class `qf-frame-ID`. This model finds that element
// without a view of its own in the output, since the page would show an error for a view whose kernel is gone.
//
// It also says to screen readers what changes. A state that each redraw replaces is a bad live region: it is read again
// each time, or never. So what has the role `status` or `alert` is silenced before it is seen, and what is new in it is
// written, once, into one region for each role, which the page keeps.
const POLL_MS = 100
const SAY_MS = 400 // what changes within that time is said together
const ROLES = ["status", "alert"]
const UNSEEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"

const createRegion = role => {
  const region = document.body.appendChild(document.createElement("div"))
  region.id = `qf-${role}`
  region.style.cssText = UNSEEN
  region.setAttribute("role", role)
  return region
}

const createLine = text => Object.assign(document.createElement("div"), { textContent: text })

const getRegion = role => document.getElementById(`qf-${role}`) ?? createRegion(role)

const words = element => {
  const copy = element?.cloneNode(true)
  for (const sign of copy?.querySelectorAll("[aria-hidden=true]") ?? []) sign.remove()
  return copy?.textContent.replace(/\s+/g, " ").trim() ?? ""
}

const findStates = root => [...root.querySelectorAll("[role=status], [role=alert], [data-qf-role]")]

const silence = root => {
  for (const state of findStates(root)) {
    state.dataset.qfRole ??= state.getAttribute("role")
    state.setAttribute("aria-live", "off")
    if (state.getAttribute("role") === "alert") state.setAttribute("role", "note") // an alert is read whatever it says
  }
}

const readStates = root => findStates(root).map(state => {
  const title = state.closest(".qf-head")?.querySelector("h3") ?? state.closest(".qf-cols > article")?.firstElementChild
  return [words(state) && [words(title), words(state)].filter(Boolean).join(": "), state.dataset.qfRole]
})

const findLabels = root => [...root.querySelectorAll(".qf-label")].map(title => title.closest("label"))

const describe = label => words(label.querySelector(".qf-err, .qf-hint"))

const readLabels = (root, described) => findLabels(root).flatMap(label => {
  const text = describe(label)
  if (text === described.get(label)) return []
  described.set(label, text)
  return [[text && `${words(label.querySelector(".qf-label"))}: ${text}`, "status"]]
})

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
  const views = new Map() // by the element that holds it, each a promise
  const forms = new Map() // the static form of an element, which is out of the page while the widgets are there
  const finished = new WeakSet() // elements that show the final form
  const aborting = new AbortController()
  let panel = null, focused = null
  const roots = new Set() // elements whose changes are said: those of views, then the parent of the final form
  const parents = new Set() // of elements that held a view
  const described = new WeakMap() // hint or error by label: the first is read with its field, others are said
  let said = new Map(), saying = 0

  const gather = () => {
    for (const parent of parents) {
      if (parent.childElementCount && !parent.querySelector(`.${name}`)) roots.add(parent) // the final form is there
    }
    for (const root of roots) {
      silence(root)
      for (const fold of root.querySelectorAll(".qf-fold")) {
        fold.setAttribute("aria-expanded", String(fold.classList.contains("qf-open")))
      }
      for (const label of findLabels(root)) if (!described.has(label)) described.set(label, describe(label))
    }
  }
  const say = () => {
    saying = 0
    gather()
    const states = new Map([...roots].flatMap(readStates))
    const changes = [...states].filter(([text]) => !said.has(text))
    changes.push(...[...roots].flatMap(root => readLabels(root, described)))
    said = states
    for (const role of ROLES) {
      const texts = changes.filter(([text, ofRole]) => text && ofRole === role).map(([text]) => text)
      if (texts.length) getRegion(role).replaceChildren(...texts.map(createLine))
    }
  }
  const hear = () => {
    gather()
    saying ||= setTimeout(say, SAY_MS)
  }
  const classes = new MutationObserver(gather) // a fold that opens changes its class
  const isHeard = ({ target }) => [...roots, ...parents].some(root => root.contains(target))

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
    parents.add(element.parentElement)
    roots.add(view.el)
    classes.observe(view.el, { subtree: true, attributes: true, attributeFilter: ["class"] })
    hear()
  }
  const update = () => {
    for (const element of document.getElementsByClassName(name)) {
      if (views.has(element) || finished.has(element)) continue
      if (model.get("final_html")) {
        finished.add(element)
        element.innerHTML = model.get("final_html")
        silence(element)
        if (said.size) roots.add(element) // else the page was loaded with it
        continue
      }
      silence(element)
      const previous = [...views.keys()].find(other => !other.isConnected) // the output was renewed
      const view = previous ? views.get(previous) : create()
      views.delete(previous)
      forms.delete(previous)
      views.set(element, view)
      view.then(view => views.has(element) && attach(element, view))
    }
  }
  const observer = new MutationObserver(records => {
    update()
    if (records.some(isHeard)) hear()
  })
  const detach = () => {
    observer.disconnect()
    for (const promise of views.values()) promise.then(view => { roots.delete(view.el); remove(view) })
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
  ROLES.forEach(getRegion) // what is written into a region that is new itself is not read
  model.on("change:panel", replace)
  model.on("change:final_html", show)
  if (model.get("final_html")) show() // after a reload: its panel is closed
  else replace()
  return () => {
    aborting.abort()
    panel?.off("comm_live_update", show)
    detach()
    classes.disconnect()
    hear()
  }
}

export default { initialize }
