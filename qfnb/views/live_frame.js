// Draws the live outputs of a kernel in the place of their static forms, as long as the kernel is there.
//
// A notebook keeps the static forms alone: HTML in elements of the class `qf-frame-NAME`. The one model of a kernel
// has no view in any output, since a page would show an error for a view whose kernel is gone. Of its state, `frames`
// are the names of what is live, and the key NAME says what is drawn there: `{panel: id}` a widget, `{html: n}` the
// keys NAME-0 to NAME-(n-1) and NAME-end joined, `{final: html}` a static form for elements that the kernel can no longer change.
const POLL_MS = 100
const FORMULA = ".mathjax_process"

const send = (view, ...types) => {
  for (const type of types) view.luminoWidget.processMessage({ type, isConductible: false })
}

const findModel = async (manager, id, signal) => {
  while (!manager.has_model(id) && !signal.aborted) await new Promise(done => setTimeout(done, POLL_MS)) // page reloads
  return manager.get_model(id)
}

// Another front end than JupyterLab may not say whether its kernel can be reached.
const isConnected = kernel => (kernel?.connectionStatus ?? "connected") === "connected"

const typeset = (manager, element) => {
  const typesetter = (manager.rendermime ?? manager._rendermime)?.latexTypesetter
  if (typesetter) typesetter.typeset(element)
  else window.MathJax?.Hub?.Queue?.(["Typeset", window.MathJax.Hub, element])
}

const isSame = (old, fresh) => fresh.attributes && old.nodeName === fresh.nodeName && !fresh.matches(FORMULA)
  && old.getAttribute("class") === fresh.getAttribute("class")

// Changes what is drawn where `after` differs from `before`: what a reader has unfolded or selected elsewhere stays.
// `before` is the HTML that was drawn last, without what the page has done to it since.
const patch = (drawn, before, after) => {
  const count = after.childNodes.length
  for (let n = 0; n < count; n++) {
    const node = drawn.childNodes[n], old = before.childNodes[n], fresh = after.childNodes[n]
    if (!node || !old) {
      drawn.insertBefore(fresh.cloneNode(true), node ?? null)
    } else if (old.isEqualNode(fresh)) {
      continue
    } else if (isSame(old, fresh) && node.childNodes.length === old.childNodes.length) {
      for (const { name } of old.attributes) if (!fresh.hasAttribute(name)) node.removeAttribute(name)
      for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) node.setAttribute(name, value)
      patch(node, old, fresh)
    } else {
      node.replaceWith(fresh.cloneNode(true))
    }
  }
  while (drawn.childNodes.length > count) drawn.lastChild.remove()
}

// What is drawn in one element: `el`, and what is to be done when it comes into the page and leaves it.
const createPanel = async (manager, model) => {
  const view = await manager.create_view(model)
  return {
    el: view.el,
    attach: element => {
      const isNew = !view.luminoWidget.isAttached
      if (isNew) send(view, "before-attach")
      element.replaceChildren(view.el)
      if (isNew) send(view, "after-attach")
    },
    update: () => {},
    remove: () => {
      send(view, "before-detach", "after-detach")
      view.el.remove()
      view.remove()
    },
  }
}

const createHtml = (manager, readHtml, onPress) => {
  const el = document.createElement("div")
  let before = el.cloneNode(), last = ""
  const update = () => {
    const html = readHtml(), after = el.cloneNode()
    if (html === last) return
    after.innerHTML = html
    patch(el, before, after)
    before = after
    last = html
    if (el.isConnected) typesetFormulas()
  }
  const typesetFormulas = () => {
    if (el.querySelector(FORMULA)) typeset(manager, el)
  }
  const attach = element => {
    element.replaceChildren(el)
    typesetFormulas()
  }
  el.addEventListener("click", ({ target }) => {
    if (target.closest("button[data-qf-press]")) onPress()
  })
  update()
  return { el, attach, update, remove: () => el.remove() }
}

class Frame {
  constructor(hub, name, kernel) {
    Object.assign(this, { hub, name, kernel, focused: null, panel: null })
    this.announcer = new Announcer(`qf-frame-${name}`)
    this.drawings = new Map() // by the element that holds it, each a promise
    this.forms = new Map() // the static form of an element, which is out of the page while something is drawn there
    this.finished = new WeakSet() // elements that show the final form
    this.aborting = new AbortController()
    this.onLife = () => this.refresh()
  }

  // Draws in all elements of this frame what the model says.
  async refresh() {
    const description = this.hub.get(this.name)
    if (description.panel !== this.description?.panel || !description.html !== !this.description?.html) {
      this.detach()
      this.description = description
      await this.observePanel(description.panel)
    }
    this.description = description
    if (!this.isLive()) return this.detach()
    this.drawElements()
    for (const drawing of this.drawings.values()) drawing.then(({ update }) => update())
  }

  async observePanel(id) {
    this.panel?.off("comm_live_update", this.onLife)
    this.panel = null // while the new one is looked for, nothing is drawn
    if (!id) return
    const panel = await findModel(this.hub.widget_manager, id, this.aborting.signal)
    if (this.description.panel !== id) return
    this.panel = panel
    panel.on("comm_live_update", this.onLife)
  }

  isLive() {
    const { final, panel } = this.description
    if (!isConnected(this.kernel)) return false
    if (panel && !this.panel) return false // it is being looked for
    return Boolean(final) || (this.panel ?? this.hub.get("layout")).comm_live
  }

  drawElements() {
    for (const element of document.getElementsByClassName(`qf-frame-${this.name}`)) {
      if (this.drawings.has(element) || this.finished.has(element)) continue
      if (this.description.final) {
        this.finished.add(element)
        element.innerHTML = this.description.final
        this.announcer.finish(element)
        continue
      }
      silence(element)
      const previous = [...this.drawings.keys()].find(other => !other.isConnected) // the output was renewed
      const drawing = previous ? this.drawings.get(previous) : this.create()
      this.drawings.delete(previous)
      this.forms.delete(previous)
      this.drawings.set(element, drawing)
      drawing.then(content => this.drawings.has(element) && this.attach(element, content))
    }
  }

  async create() {
    const { widget_manager: manager } = this.hub
    const content = this.panel
      ? await createPanel(manager, this.panel)
      : createHtml(manager, () => this.html(), () => this.hub.send({ frame: this.name }))
    content.el.addEventListener("focusin", event => { this.focused = event.target })
    content.el.addEventListener("focusout", ({ target }) => queueMicrotask(() => {
      if (target.isConnected && target === this.focused) this.focused = null // not taken out with its output
    }))
    return content
  }

  html() {
    const chunks = Array.from({ length: this.description.html }, (_, n) => this.hub.get(`${this.name}-${n}`))
    return [...chunks, this.hub.get(`${this.name}-end`)].join("")
  }

  attach(element, content) {
    this.forms.set(element, [...element.childNodes])
    content.attach(element)
    content.update()
    this.announcer.follow(element, content.el)
    if (!this.focused) return
    if (content.el.contains(this.focused)) this.focused.focus({ preventScroll: true })
    else element.scrollIntoView({ block: "nearest" }) // it replaces, smaller, what the reader worked in
  }

  detach() {
    for (const drawing of this.drawings.values()) {
      drawing.then(({ el, remove }) => {
        this.announcer.roots.delete(el)
        remove()
      })
    }
    for (const [element, form] of this.forms) element.replaceChildren(...form)
    this.drawings.clear()
    this.forms.clear()
  }

  close() {
    this.aborting.abort()
    this.panel?.off("comm_live_update", this.onLife)
    this.detach()
    this.announcer.classes.disconnect()
    this.announcer.hear()
  }
}

const initialize = ({ model }) => {
  const kernel = model.widget_manager.kernel
  const frames = new Map()
  const update = () => {
    const names = model.get("frames") ?? []
    for (const [name, frame] of frames) {
      if (names.includes(name)) continue
      frame.close()
      frames.delete(name)
    }
    for (const name of names) {
      if (!frames.has(name)) frames.set(name, new Frame(model, name, kernel))
      frames.get(name).refresh()
    }
  }
  const observer = new MutationObserver(records => {
    for (const frame of frames.values()) {
      if (frame.description && frame.isLive()) frame.drawElements()
      frame.announcer.hearIn(records)
    }
  })
  const life = model.get("layout") // ends with the model, whose own life a widget does not see
  const connection = kernel?.connectionStatusChanged // the server may end, or be out of reach
  const kernelEnd = kernel?.disposed // shut down or changed: JupyterLab leaves its models as they are
  const end = () => {
    connection?.disconnect(update)
    observer.disconnect()
    window.removeEventListener("keydown", keepKeys, true)
    document.removeEventListener("click", focusField)
    for (const frame of frames.values()) frame.close()
    frames.clear()
  }
  observer.observe(document.body, { subtree: true, childList: true })
  document.addEventListener("click", focusField)
  window.addEventListener("keydown", keepKeys, true) // before the page's own listener
  model.on("change", update)
  life.on("comm_live_update", update)
  kernelEnd?.connect(end)
  connection?.connect(update)
  update()
  model.send({}) // a page draws the outputs
  return () => {
    life.off("comm_live_update", update)
    kernelEnd?.disconnect(end)
    end()
  }
}

export default { initialize }
