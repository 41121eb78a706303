/* The one script: refreshes an open page when its data changes, and sums up the basket. Every page
 * works without it.
 *
 * The event stream (app/web/layout/live.py) says only that something changed. The page then
 * requests itself, and each element with data-live is replaced when the server renders it differently.
 * Where no stream is available, the page polls.
 */

const POLL_INTERVAL_MS = 5000;
const STREAM_RETRY_MS = 10000;
const REFRESH_INTERVAL_MS = 150;

const { topics, position, source, refreshInterval, refreshAfter } = document.body.dataset;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const rendered = new Map(liveElements(document).map((each) => [idOf(each), each.innerHTML]));
let stream = null;
let pollTimer = 0;
let refreshTimer = 0;
let isRefreshing = false;
let isStale = false;
let isLost = false;
let lastPosition = position;

function liveElements(root) {
  return [...root.querySelectorAll("[data-live]")];
}

/* `form.id` is the field named id, if the form has one. */
function idOf(element) {
  return element.getAttribute("id");
}

function showConnection(text) {
  const element = document.getElementById("connection");
  if (element && element.textContent !== text) element.textContent = text;
}

/* Replaces the elements that the server renders differently now; a field in use is left alone. */
function replaceElements(newPage) {
  for (const element of liveElements(document)) {
    const next = newPage.getElementById(idOf(element));
    if (!next || rendered.get(idOf(element)) === next.innerHTML) continue;
    if (isTypedIn(element)) continue;
    rendered.set(idOf(element), next.innerHTML);
    const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
    const known = new Set(keyed(element).map((each) => each.dataset.key));
    element.className = next.className;
    element.replaceChildren(...document.adoptNode(next).childNodes);
    for (const each of keyed(element)) {
      if (known.size && !known.has(each.dataset.key)) each.classList.add("fresh");
    }
    if (focused) document.getElementById(focused)?.focus();
  }
  dispatchEvent(new Event("refreshed"));
}

function keyed(element) {
  return [...element.querySelectorAll("[data-key]")];
}

function isTypedIn(element) {
  const field = document.activeElement;
  return element.contains(field) && field.matches("input:not([type=checkbox]), textarea, select");
}

/* A reload would lose what is typed; the response to the form says what has happened. */
function isEdited() {
  const fields = document.querySelectorAll("form[method=post] :is(input, textarea)");
  return [...fields].some((field) => field.value !== field.defaultValue);
}

/* Requests the page and replaces what changed; repeats when a change was reported meanwhile. */
async function refresh() {
  if (isRefreshing) {
    isStale = true;
    return;
  }
  isRefreshing = true;
  try {
    do {
      isStale = false;
      const response = await fetch(source ?? location.href, { cache: "no-store" });
      if (response.ok) {
        const newPage = new DOMParser().parseFromString(await response.text(), "text/html");
        replaceElements(newPage);
        refreshLater(newPage.body.dataset.refreshAfter);
      } else if ([401, 403, 404].includes(response.status) && !source && !isEdited()) {
        location.reload(); // deleted, or signed out: the server says which
      }
      showConnection(response.ok && stream ? "· live" : "");
      if (isStale || refreshInterval) await sleep(refreshInterval ?? REFRESH_INTERVAL_MS);
    } while (isStale);
  } catch {
    showConnection("· connection lost, trying again");
  } finally {
    isRefreshing = false;
  }
}

/* The server says when a value that it caches will be current again. */
function refreshLater(ms) {
  clearTimeout(refreshTimer);
  if (ms) refreshTimer = setTimeout(refresh, ms);
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
    isLost = true;
    if (stream.readyState === EventSource.CLOSED) startPolling();
    else showConnection("· connection lost, trying again");
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
    } else if (!stream) {
      openStream();
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
  const empty = lines.dataset.empty;

  const sumUp = () => {
    const chosen = [...form.querySelectorAll("[data-piece]")].filter(
      (field) => /^[0-9]{1,9}$/.test(field.value.trim()) && Number(field.value) > 0,
    );
    const price = (field) => field.closest("li").querySelector(".price").firstChild.data.trim();
    const digits = chosen[0] ? (price(chosen[0]).split(".")[1]?.length ?? 0) : 0;
    const money = (units) => (Number(units) / 10 ** digits).toFixed(digits);
    let sum = 0n;
    const items = chosen.map((field) => {
      const units = BigInt(price(field).replace(".", "")) * BigInt(field.value.trim());
      sum += units;
      return item(`${field.value.trim()} × ${field.labels[0].textContent.trim()}`, money(units));
    });
    lines.replaceChildren(...(items.length ? items : [item(empty)]));
    total.textContent = `${items.length ? money(sum) : "0"} ${lines.dataset.currency}`;
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

  form.addEventListener("input", sumUp);
  addEventListener("refreshed", sumUp);
  document.querySelector(".without-script")?.remove();
  sumUp();
}
