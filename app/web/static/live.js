/* The one script: keeps what stands on the page true, and adds up the basket. Every page works
 * without it.
 *
 * The server's stream (see app/web/layout/live.py) says only that something changed. The page then asks for
 * itself, and each element marked data-live is replaced where the server now writes it differently.
 * Where no stream is to be had, the page asks from time to time.
 */

const POLL_MS = 5000;
const STREAM_AGAIN_MS = 10000;
const TOGETHER_MS = 150;

const { topics, position, source, pace } = document.body.dataset;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const written = new Map(liveElements(document).map((each) => [idOf(each), each.innerHTML]));
let stream = null;
let poll = 0;
let later = 0;
let asking = false;
let again = false;
let isLost = false;

function liveElements(root) {
  return [...root.querySelectorAll("[data-live]")];
}

/* A form that has a field named id gives that field for its own `id`. */
function idOf(element) {
  return element.getAttribute("id");
}

function tell(words) {
  const place = document.getElementById("connection");
  if (place && place.textContent !== words) place.textContent = words;
}

/* Replaces what the server writes differently now; what is open, typed or focused elsewhere stays. */
function renew(fresh) {
  for (const element of liveElements(document)) {
    const next = fresh.getElementById(idOf(element));
    if (!next || written.get(idOf(element)) === next.innerHTML) continue;
    if (isTypedIn(element)) continue;
    written.set(idOf(element), next.innerHTML);
    const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
    const known = new Set(keyed(element).map((each) => each.dataset.key));
    element.className = next.className;
    element.replaceChildren(...document.adoptNode(next).childNodes);
    for (const each of keyed(element)) {
      if (known.size && !known.has(each.dataset.key)) each.classList.add("fresh");
    }
    if (focused) document.getElementById(focused)?.focus();
  }
  dispatchEvent(new Event("renewed"));
}

function keyed(element) {
  return [...element.querySelectorAll("[data-key]")];
}

function isTypedIn(element) {
  const field = document.activeElement;
  return element.contains(field) && field.matches("input:not([type=checkbox]), textarea, select");
}

/* Asks for the page as it is now; once more afterwards when something changed meanwhile. */
async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    do {
      again = false;
      const answer = await fetch(source ?? location.href, { cache: "no-store" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        renew(fresh);
        askLater(fresh.body.dataset.again);
      } else if ([401, 403, 404].includes(answer.status) && !source) {
        location.reload(); // what this page showed is gone, or nobody is signed in: the server says
      }
      tell(stream ? "· live" : "");
      if (again || pace) await pause(pace ?? TOGETHER_MS);
    } while (again);
  } catch {
    tell("· connection lost, trying again");
  } finally {
    asking = false;
  }
}

/* The server says when what it keeps for a while will be true again. */
function askLater(ms) {
  clearTimeout(later);
  if (ms) later = setTimeout(refresh, ms);
}

function follow() {
  const query = new URLSearchParams({ after: seen });
  for (const topic of topics.split(" ")) query.append("on", topic);
  stream = new EventSource(`/live?${query}`);
  stream.addEventListener("open", () => {
    clearInterval(poll);
    tell("· live");
    if (isLost) refresh(); // after a power cut even a position may have been taken back
    isLost = false;
  });
  stream.addEventListener("change", (event) => {
    seen = event.lastEventId;
    refresh();
  });
  stream.addEventListener("error", () => {
    isLost = true;
    if (stream.readyState === EventSource.CLOSED) fallBack();
    else tell("· connection lost, trying again");
  });
}

/* No stream: ask from time to time, and try for a stream again later. */
function fallBack() {
  stream = null;
  tell("");
  clearInterval(poll);
  poll = setInterval(refresh, POLL_MS);
  setTimeout(() => {
    if (!stream && !document.hidden) follow();
  }, STREAM_AGAIN_MS);
}

let seen = position;
/* The answer to a form has no address of its own that could be asked for again. */
if (topics && (position || source)) {
  follow();
  askLater(document.body.dataset.again);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
      clearInterval(poll);
    } else if (!stream) {
      follow();
    }
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) refresh();
  });
}

/* The basket: adds up while somebody types. The server decides what is paid. */
const lines = document.getElementById("basket-lines");
if (lines) {
  const form = lines.closest("form");
  const total = document.getElementById("basket-total");
  const empty = lines.dataset.empty;

  const add = () => {
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

  const item = (words, amount) => {
    const entry = document.createElement("li");
    if (!amount) entry.className = "quiet";
    for (const [text, name] of [[words, ""], [amount ?? "", "amount"]]) {
      const part = document.createElement("span");
      part.textContent = text;
      part.className = name;
      entry.append(part, " ");
    }
    return entry;
  };

  form.addEventListener("input", add);
  addEventListener("renewed", add);
  document.querySelector(".without-script")?.remove();
  add();
}
