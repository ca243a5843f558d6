// Asks the server that this page came from. A page that was written to a file asks nobody.
"use strict";

const MODES = {
  text: { name: "Text", first: "Text" },
  pair: { name: "Pair", first: "First text", second: "Second text" },
  passages: { name: "Passages", first: "Query", second: "Passages, one on each line" },
};
const EXAMPLE = {
  text: ["It is a charming and often affecting journey, though the plot drags in places."],
  pair: ["A man is playing a guitar on the stage.", "Somebody makes music."],
  passages: [
    "How do I prune a rose bush?",
    "Roses are cut back in late winter, before new leaves come.\nThe market fell on Tuesday.\nA bush is a small woody plant.",
  ],
};

let bundles = [];
let asked = null; // the request that is under way
let later = 0; // the timer that begins again

const mode = () => document.querySelector("#modes input:checked").value;
const texts = () => [$("text").value, $("more-text").value];

/** Whether the fields hold an example, or nothing, and so may be replaced. */
function untouched() {
  const examples = Object.values(EXAMPLE).map((example) => [example[0], example[1] ?? ""]);
  const [first, second] = texts();
  return (!first && !second) || examples.some((example) => example[0] === first && (!second || example[1] === second));
}

function chooseMode() {
  const { first, second } = MODES[mode()];
  const replace = untouched();
  $("text-label").textContent = first;
  $("more").hidden = !second;
  $("more-text").required = Boolean(second);
  if (second) $("more-label").textContent = second;
  if (replace) [$("text").value, $("more-text").value] = [EXAMPLE[mode()][0], EXAMPLE[mode()][1] ?? ""];
}

function chooseBundle() {
  const bundle = bundles.find((one) => one.name === $("bundle").value);
  const before = document.querySelector("#modes input:checked")?.value;
  const chosen = ["passages", before, "text"].find((name) => bundle.modes.includes(name));
  const labels = bundle.modes.map((name) => {
    const input = element("input");
    Object.assign(input, { type: "radio", name: "mode", value: name, checked: name === chosen });
    input.addEventListener("change", chooseMode);
    return element("label", "", input, element("span", "", MODES[name].name));
  });
  $("modes").replaceChildren($("modes").firstElementChild, ...labels);
  $("modes").hidden = labels.length < 2;
  chooseMode();
}

function say(message, isError = false) {
  $("message").textContent = message;
  $("message").classList.toggle("error", isError);
}

/** What a server says of a request that it refused. */
function reason(answer, status) {
  const said = answer?.error ?? answer?.detail;
  if (typeof said === "string") return said;
  return said?.[0]?.msg ?? `The server answered with status ${status}.`;
}

function question() {
  const [text, more] = texts();
  const asking = { bundle: $("bundle").value, text };
  if (mode() === "pair") asking.pair = more;
  if (mode() === "passages") asking.passages = more.split("\n").filter((line) => line.trim());
  return asking;
}

/** The server's answer in JSON. Where it wants a token, the field for one appears. */
async function call(address, options = {}) {
  const token = $("token").value;
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(address, { ...options, headers });
  if (response.status === 401) $("token-choice").hidden = false;
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw Object.assign(new Error(reason(answer, response.status)), { status: response.status });
}

async function ask(event) {
  event.preventDefault();
  if (!bundles.length) return begin();
  asked?.abort();
  const own = (asked = new AbortController());
  $("send").setAttribute("aria-disabled", "true");
  say("Reading …");
  try {
    const answer = await call("explain", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question()),
      signal: own.signal,
    });
    say("");
    draw(answer);
    const smooth = window.matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    $("explanation").scrollIntoView({ block: "nearest", behavior: smooth });
  } catch (error) {
    if (!own.signal.aborted) say(error.message, true);
  } finally {
    if (asked === own) $("send").removeAttribute("aria-disabled");
  }
}

async function begin() {
  $("question").hidden = false;
  try {
    bundles = (await call("bundles")).bundles;
    if (!bundles.length) throw new Error("The server has no bundle yet; ask again in a moment.");
    say("");
  } catch (error) {
    say(error.message, true);
    clearTimeout(later);
    if (error.status === 503) later = setTimeout(begin, 1000); // it is still loading
    return;
  }
  clearTimeout(later);
  const before = $("bundle").value;
  $("bundle").replaceChildren(...bundles.map(({ name }) => new Option(name, name, false, name === before)));
  $("bundle-choice").hidden = bundles.length < 2;
  chooseBundle();
}

$("bundle").addEventListener("change", chooseBundle);
$("token").addEventListener("change", begin);
$("question").addEventListener("submit", ask);
$("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("question").requestSubmit();
});
if (!given) begin();
