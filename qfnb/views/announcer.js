// Says to screen readers what changes in live outputs.
//
// A state that each redraw replaces is a bad live region: it is read again each time, or never. So what has the role
// `status` or `alert` is silenced before it is seen, and what is new in it is written, once, into one region for each
// role, which the page keeps.
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

// Of one live output: what is drawn in the elements of its class, then the final form in their parent.
class Announcer {
  constructor(className) {
    this.className = className
    this.roots = new Set() // elements whose changes are said
    this.parents = new Set() // of elements in which something was drawn
    this.described = new WeakMap() // hint or error by label: the first is read with its field, others are said
    this.said = new Map()
    this.saying = 0
    this.classes = new MutationObserver(() => this.roots.forEach(describeControls)) // a fold that opens changes its class
    ROLES.forEach(getRegion) // what is written into a region that is new itself is not read
  }

  // What is drawn in an element changes from now on.
  follow(element, root) {
    this.parents.add(element.parentElement)
    this.roots.add(root)
    this.classes.observe(root, { subtree: true, attributes: true, attributeFilter: ["class"] })
    this.hear()
  }

  // An element shows the final form.
  finish(element) {
    silence(element)
    if (this.said.size) this.roots.add(element) // else the page was loaded with it
  }

  hear() {
    this.gather()
    this.saying ||= setTimeout(() => this.say(), SAY_MS)
  }

  hearIn(records) {
    const elements = [...this.roots, ...this.parents]
    if (records.some(({ target }) => elements.some(element => element.contains(target)))) this.hear()
  }

  gather() {
    for (const parent of this.parents) {
      if (parent.childElementCount && !parent.querySelector(`.${this.className}`)) this.roots.add(parent)
    }
    for (const root of this.roots) {
      silence(root)
      describeControls(root)
      for (const label of findLabels(root)) {
        if (!this.described.has(label)) this.described.set(label, describe(label))
      }
    }
  }

  say() {
    this.saying = 0
    this.gather()
    const states = new Map([...this.roots].flatMap(readStates))
    const changes = [...states].filter(([text]) => !this.said.has(text))
    changes.push(...[...this.roots].flatMap(root => readLabels(root, this.described)))
    this.said = states
    for (const role of ROLES) {
      const texts = changes.filter(([text, ofRole]) => text && ofRole === role).map(([text]) => text)
      if (texts.length) getRegion(role).replaceChildren(...texts.map(createLine))
    }
  }
}
