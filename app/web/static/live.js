/* The one script: refreshes an open page when its data changes, sums up the basket, and has the keys of
 * the lists. Every page works without it.
 *
 * The event stream (app/web/layout/live.py) says only that something changed. The page then requests
 * itself, and each element with data-live is changed into what the server renders now. Elements that
 * are in both stay, and with them ticks, open details, typed text, focus and scroll position.
 * Where no stream is available, the page polls.
 */

const POLL_INTERVAL_MS = 5000;
const STREAM_RETRY_MS = 10000;
const REFRESH_INTERVAL_MS = 150;
const LOST_AFTER_MS = 3000;
const LOST = "· connection lost, trying again";
const FIELDS = "input, select, textarea";
const HELD = "[name=version], [name=token], [data-whole]"; // stay with what was typed in their form
const LOCAL_ATTRIBUTES = ["open", "tabindex", "data-fresh"]; // set by the person or by this script

const { topics, position, source, refreshInterval, refreshAfter } = document.body.dataset;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const changed = document.getElementById("changed");
let stream = null;
let pollTimer = 0;
let refreshTimer = 0;
let connectionTimer = 0;
let refreshDueMs = refreshAfter;
let isRefreshing = false;
let isStale = false;
let isLost = false;
let isBehind = false;
let lastPosition = position;

function showConnection(text, afterMs = 0) {
  clearTimeout(connectionTimer);
  connectionTimer = setTimeout(() => {
    const element = document.getElementById("connection");
    if (element.textContent !== text) element.textContent = text;
  }, afterMs);
}

/* Changes the live elements into those of the new page. */
function update(newPage) {
  isBehind = false;
  const focused = document.activeElement;
  for (const next of newPage.querySelectorAll("[data-live]")) {
    const element = document.getElementById(next.id);
    if (element) morph(element, next);
  }
  if (focused.isConnected) focused.focus({ preventScroll: true });
  if (!source) document.title = newPage.title;
  showNotice();
  dispatchEvent(new Event("refreshed"));
}

/* Says that what was typed belongs to an older page; once, so that a screen reader does too. */
function showNotice() {
  if (isBehind === changed.hasChildNodes()) return;
  const notice = document.getElementById("changed-notice").content.cloneNode(true);
  changed.replaceChildren(...(isBehind ? [notice] : []));
}

function morph(node, next) {
  if (node.isEqualNode(next)) return;
  if (node.nodeType !== Node.ELEMENT_NODE) {
    node.data = next.data;
    return;
  }
  if (node.matches(HELD) && isTouched(node.form ?? node)) {
    isBehind ||= !node.matches("[name=token]");
    return;
  }
  const follows = node.matches(FIELDS) && !isTouched(node);
  for (const { name } of [...node.attributes]) {
    if (!next.hasAttribute(name) && !LOCAL_ATTRIBUTES.includes(name)) node.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  morphChildren(node, next);
  if (follows) setToDefault(node);
}

/* Children with a key are matched by it, the others by their order. */
function morphChildren(parent, next) {
  const wanted = new Set([...next.children].map(keyOf));
  const known = new Map();
  for (const child of [...parent.children].filter(keyOf)) {
    if (wanted.has(keyOf(child))) known.set(keyOf(child), child);
    else remove(child);
  }
  let place = parent.firstChild;
  for (const each of [...next.childNodes]) {
    const key = keyOf(each);
    while (known.has(key) && place?.nodeType === Node.TEXT_NODE) place = remove(place);
    const match = key ? known.get(key) : firstAlike(place, each);
    if (match) {
      if (match !== place) move(match, place);
      morph(match, each);
      place = match.nextSibling;
    } else {
      if (known.size && each.dataset?.key) each.dataset.fresh = "";
      parent.insertBefore(document.adoptNode(each), place);
    }
  }
  while (place) place = remove(place);
}

/* Not `node.id`: of a form, that is its field named id. */
function keyOf(node) {
  return node.dataset?.key ?? node.getAttribute?.("id");
}

/* The first node from `place` on that can become `next`; for a text only `place` itself. */
function firstAlike(place, next) {
  const isText = next.nodeType === Node.TEXT_NODE;
  let node = place;
  while (node && !isText && (node.nodeName !== next.nodeName || keyOf(node))) {
    node = node.nextSibling;
  }
  return node?.nodeName === next.nodeName ? node : null;
}

/* moveBefore keeps the focus. A browser without it loses the focus here, and update sets it again. */
function move(node, place) {
  const parent = place.parentNode;
  if (parent.moveBefore) parent.moveBefore(node, place);
  else parent.insertBefore(node, place);
}

/* Removes a node that has no typed text, with the focus going to a neighbour; returns the next.
 * What the server says may stay does, up to a number of siblings. */
function remove(node) {
  const next = node.nextSibling;
  if (node.dataset?.stays > node.parentNode.childElementCount) {
    node.dataset.gone = "";
    return next;
  }
  if (hasText(node)) {
    isBehind = true;
    return next;
  }
  if (node.contains(document.activeElement)) {
    const neighbour = node.nextElementSibling ?? node.previousElementSibling ?? node.parentElement;
    neighbour.tabIndex = -1;
    neighbour.focus({ preventScroll: true });
  }
  node.remove();
  return next;
}

/* The fields in an element, itself included, with another value than the server gave them. */
function touchedFields(element) {
  const fields = [element, ...(element.querySelectorAll?.(FIELDS) ?? [])];
  return fields.filter((field) => {
    if (field.nodeName === "SELECT") return field.selectedIndex !== defaultIndex(field);
    if (field.type === "checkbox") return field.checked !== field.defaultChecked;
    return "defaultValue" in field && field.value !== field.defaultValue;
  });
}

/* Ticks are soon made again; typed text is not. */
function hasText(element) {
  return touchedFields(element).some((field) => field.type !== "checkbox");
}

function isTouched(element) {
  return touchedFields(element).length > 0;
}

function setToDefault(field) {
  if (field.nodeName === "SELECT") field.selectedIndex = defaultIndex(field);
  else if (field.type === "checkbox") field.checked = field.defaultChecked;
  else field.value = field.defaultValue;
}

function defaultIndex(select) {
  return Math.max(0, [...select.options].findIndex((option) => option.defaultSelected));
}

/* Requests the page and updates this one; repeats when a change was reported meanwhile. */
async function refresh() {
  if (isRefreshing) {
    isStale = true;
    return;
  }
  isRefreshing = true;
  do {
    isStale = false;
    const { status, text } = await requestPage();
    if (status === 200) {
      const newPage = new DOMParser().parseFromString(text, "text/html");
      update(newPage);
      refreshLater(newPage.body.dataset.refreshAfter);
    } else if ([401, 403, 404].includes(status) && !source) {
      showRefusal();
    }
    showConnection(!status ? LOST : stream ? "· live" : "");
    if (isStale || refreshInterval) await sleep(refreshInterval ?? REFRESH_INTERVAL_MS);
  } while (isStale);
  isRefreshing = false;
}

/* Requests the page as it is now; without a status when the connection is lost. */
async function requestPage() {
  try {
    const response = await fetch(source ?? location.href, { cache: "no-store" });
    return { status: response.status, text: await response.text() };
  } catch {
    return {};
  }
}

/* Deleted, or signed out: the server says which. A reload would lose what is typed in a form; the
 * response to the form says what has happened. Such a page is not live until it is answered again. */
function showRefusal() {
  const forms = [...document.querySelectorAll("form[method=post]")];
  if (!forms.some(hasText)) {
    location.reload();
  } else if (stream) {
    stream.close();
    startPolling();
  }
}

/* The server says when it will show something else, although nothing was written. */
function refreshLater(ms) {
  refreshDueMs = ms;
  clearTimeout(refreshTimer);
  if (ms && !document.hidden) refreshTimer = setTimeout(refresh, ms);
}

function openStream() {
  const query = new URLSearchParams({ after: lastPosition });
  for (const topic of topics.split(" ")) query.append("on", topic);
  stream = new EventSource(`/live?${query}`);
  stream.addEventListener("open", () => {
    clearInterval(pollTimer);
    showConnection("· live");
    if (isLost) refresh(); // a power failure may undo a position, so it proves nothing here
    isLost = false;
  });
  stream.addEventListener("change", (event) => {
    lastPosition = event.lastEventId;
    refresh();
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) startPolling();
    else if (!isLost) showConnection(LOST, LOST_AFTER_MS); // the server ends each stream after a while
    isLost = true;
  });
}

/* Without a stream: poll, and try to open a stream again later. */
function startPolling() {
  stream = null;
  showConnection("");
  clearInterval(pollTimer);
  pollTimer = setInterval(refresh, POLL_INTERVAL_MS);
  setTimeout(() => {
    if (!stream && !document.hidden) openStream();
  }, STREAM_RETRY_MS);
}

/* The response to a form has no address of its own that could be requested again. */
if (topics && (position || source)) {
  openStream();
  refreshLater(refreshAfter);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
      clearInterval(pollTimer);
      clearTimeout(refreshTimer);
    } else if (!stream) {
      openStream();
      refreshLater(refreshDueMs);
    }
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) refresh();
  });
}

/* The basket: summed up while the customer types. The server decides what is paid. */
const lines = document.getElementById("basket-lines");
if (lines) {
  const form = lines.closest("form");
  const total = document.getElementById("basket-total");
  const summary = document.getElementById("basket-summary");
  const empty = lines.dataset.empty;
  const digits = total.textContent.split(" ")[0].split(".")[1]?.length ?? 0;
  const amounts = new Intl.NumberFormat("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  const counts = new Intl.NumberFormat("en");

  const sumUp = () => {
    const chosen = [...form.querySelectorAll("[data-piece]")].filter(
      (field) => /^[0-9]{1,9}$/.test(field.value.trim()) && Number(field.value) > 0,
    );
    const price = (field) => field.closest("li").querySelector(".price").firstChild.data.trim();
    const money = (units) => amounts.format(Number(units) / 10 ** digits);
    let sum = 0n;
    const items = chosen.map((field) => {
      const units = BigInt(price(field).replace(/[,.]/g, "")) * BigInt(field.value.trim());
      sum += units;
      const name = field.labels[0].textContent.trim();
      return item(`${counts.format(field.value)} × ${name}`, money(units));
    });
    lines.replaceChildren(...(items.length ? items : [item(empty)]));
    total.textContent = `${money(sum)} ${lines.dataset.currency}`;
    const count = chosen.reduce((pieces, field) => pieces + Number(field.value), 0);
    const pieces = `${counts.format(count)} ${count === 1 ? "item" : "items"}`;
    summary.textContent = `${pieces} · ${total.textContent}`;
  };

  const item = (label, amount) => {
    const entry = document.createElement("li");
    if (!amount) entry.className = "quiet";
    for (const [text, name] of [[label, ""], [amount ?? "", "amount"]]) {
      const part = document.createElement("span");
      part.textContent = text;
      part.className = name;
      entry.append(part, " ");
    }
    return entry;
  };

  /* The buttons beside a quantity; a quantity that is no number counts as none. */
  form.addEventListener("click", (event) => {
    const step = Number(event.target.dataset.step);
    if (!step) return;
    const field = event.target.parentElement.querySelector("[data-piece]");
    const quantity = Math.max(0, (Math.trunc(Number(field.value)) || 0) + step);
    if (quantity < 1e9) field.value = quantity || "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });

  form.addEventListener("input", sumUp);
  addEventListener("refreshed", sumUp);
  document.querySelector(".without-script")?.remove();
  sumUp();
}

/* Enter, as scanners send it after each code, goes to the next empty field of the form; from the last it submits. */
addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key !== "Enter" || event.isComposing || !field.matches("[data-enter=next]")) return;
  const later = [...field.form.elements].slice([...field.form.elements].indexOf(field) + 1);
  const next = later.find((each) => each.matches("input:not([type=hidden])") && !each.value);
  if (!next) return;
  event.preventDefault();
  next.focus();
});

/* The keys of a list: see layout/keys.html. They stay out of typing and of the browser's own keys. */
const keys = document.getElementById("keys");
if (keys) {
  const rowOf = (element) => element.closest(".list tbody tr");
  const moveBy = (step) => {
    const links = [...document.querySelectorAll(".list tbody th a")];
    const row = rowOf(document.activeElement);
    const place = links.findIndex((link) => rowOf(link) === row) + step;
    links[Math.max(0, Math.min(place, links.length - 1))]?.focus();
  };
  const actions = {
    "/": () => document.querySelector("input[type=search]")?.focus(),
    j: () => moveBy(1),
    k: () => moveBy(-1),
    x: () => rowOf(document.activeElement)?.querySelector("input[type=checkbox]")?.click(),
    "?": () => keys.showModal(),
  };
  const use = document.getElementById("use-keys"); // one can turn them off: WCAG 2.1.4
  use.checked = localStorage.getItem("keys") !== "off";
  use.addEventListener("change", () => localStorage.setItem("keys", use.checked ? "on" : "off"));
  addEventListener("keydown", (event) => {
    const isTyping = event.target.matches(`:is(${FIELDS}):not([type=checkbox])`);
    if (!use.checked || isTyping || keys.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  keys.querySelector("button").addEventListener("click", () => keys.close());
  const show = document.getElementById("show-keys");
  show.hidden = false;
  show.addEventListener("click", actions["?"]);
}

/* Forms of the flow: they are sent without leaving the page, so that its marks move on. The lease of slow
 * motion is renewed while the page is seen. */
const LEASE_RENEWAL_MS = 3000;

async function send(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  const response = await fetch(form.action, { method: "POST", body, redirect: "manual" });
  return response.type === "opaqueredirect" || response.ok;
}

addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-in-place]")) return;
  event.preventDefault();
  if (await send(form, event.submitter).catch(() => false)) {
    form.reset();
    refresh();
  } else {
    form.removeAttribute("data-in-place"); // the response says what is wrong
    form.requestSubmit(event.submitter);
  }
});

if (topics?.includes("flow")) {
  setInterval(() => {
    const form = document.querySelector("form[data-renew]");
    if (form && !document.hidden) send(form).catch(() => false);
  }, LEASE_RENEWAL_MS);
}
