// Draws an explanation, as `ltp_deploy.explain.explanation` describes it.
"use strict";

const $ = (id) => document.getElementById(id);
const STEP_MS = [260, 700]; // of the animation, for many layers and for few
const ALL_MS = 4200;
const SHOWN = 5; // scores before the rest is folded away
const LONG = 140; // tokens, above which letters are smaller
const GHOST = { first: 0.42, each: 0.62, least: 0.13 }; // opacity in the layers after a token was pruned

let shown = null; // the explanation
let timer = 0;

/** An element with a class and children, strings among them. */
function element(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

/** Tokens alive in all sequences of some texts: before the first layer and after each. */
function aliveIn(texts) {
  const counts = texts.flatMap((text) => text.sequences.map((sequence) => sequence.alive));
  return counts[0].map((_, step) => counts.reduce((sum, alive) => sum + alive[step], 0));
}

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const share = (value) => `${Math.min(100, Math.max(0, 100 * value))}%`;
const milliseconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
const scoreText = (answer, value) => (answer.probabilities ? percent(value) : value.toFixed(4));

/** A bar with a part of it filled, and perhaps a mark. */
function bar(filled, mark) {
  const made = element("div", "bar", element("i"));
  made.firstChild.style.width = share(filled);
  if (mark !== undefined) {
    made.append(element("b"));
    made.lastChild.style.left = share(mark);
  }
  return made;
}

function scoreRow(answer, dense, number) {
  const score = answer.scores[number];
  const row = element("li", score.chosen ? "chosen" : "");
  row.append(element("span", "", score.name), element("span", "value", scoreText(answer, score.value)));
  if (score.threshold !== null) row.title = `holds above ${percent(score.threshold)}`;
  if (answer.probabilities) row.append(bar(score.value, dense?.scores[number].value));
  if (dense) row.dataset.dense = dense.scores[number].value;
  return row;
}

function drawScores(place, answer, dense) {
  const order = answer.scores.map((_, i) => i);
  order.sort((a, b) => answer.scores[b].value - answer.scores[a].value);
  const first = order.filter((i, rank) => rank < SHOWN || answer.scores[i].chosen);
  const rest = order.filter((i) => !first.includes(i));
  place.append(element("ul", "bars", ...first.map((i) => scoreRow(answer, dense, i))));
  if (rest.length) {
    const rows = rest.map((i) => scoreRow(answer, dense, i));
    place.append(element("details", "", element("summary", "", `${rest.length} more`), element("ul", "bars", ...rows)));
  }
}

function drawAnswer(place, explanation) {
  const [text] = explanation.texts;
  const { answer, dense } = text;
  place.replaceChildren();
  if (explanation.ranked) {
    const best = element("p", "verdict", `Passage ${text.index + 1} `);
    best.append(element("small", "", `of ${explanation.texts.length} fits best`));
    place.append(best);
  } else if (explanation.head === "embedding") {
    const near = answer.cosine === null ? "A vector" : `cosine ${answer.cosine.toFixed(4)}`;
    place.append(element("p", "verdict", near));
    if (answer.cosine !== null) place.append(element("p", "note", "with the vector of the same engine with pruning off"));
    return;
  } else if (explanation.head === "classification" || explanation.head === "multi_label") {
    place.append(element("p", "verdict", answer.labels.join(", ") || "no label"));
  }
  drawScores(place, answer, dense);
  if (dense && answer.probabilities) place.append(element("p", "note", element("b"), "with pruning off"));
  if (dense && !answer.probabilities) {
    place.append(element("p", "note", `${scoreText(dense, dense.scores[0].value)} with pruning off`));
  }
}

function timeRow(name, value, most, chosen) {
  const row = element("li", chosen ? "chosen" : "");
  row.append(element("span", "", name), element("span", "value", milliseconds(value)), bar(value / most));
  return row;
}

function drawTimes(place, explanation) {
  const { milliseconds: own, dense_milliseconds: dense } = explanation;
  place.replaceChildren();
  if (dense === null) {
    place.append(element("p", "verdict", milliseconds(own)), element("p", "note", `Not compared: ${explanation.no_dense}`));
    return;
  }
  const verdict = element("p", "verdict", `${(dense / own).toFixed(2)}× `);
  verdict.append(element("small", "", dense >= own ? "as fast as with pruning off" : "the speed with pruning off"));
  const rows = [timeRow("this engine", own, Math.max(own, dense), true), timeRow("pruning off", dense, Math.max(own, dense))];
  place.append(verdict, element("ul", "bars", ...rows));
}

function drawPlot(place, explanation) {
  const alive = aliveIn(explanation.texts);
  const every = Math.ceil(alive.length / (window.innerWidth < 480 ? 9 : 14)); // a number below so many bars
  place.replaceChildren();
  alive.forEach((count, step) => {
    const name = step === 0 ? "in" : String(step - 1);
    const column = element("div", "", element("i"), element("span", "", step % every ? "\u00a0" : name));
    column.firstChild.style.height = `${(3.7 * count) / alive[0]}rem`;
    column.title = `${count} tokens`;
    place.append(column);
  });
  $("layer").max = explanation.layers;
  $("scrub").style.setProperty("--steps", alive.length);
}

function tokenSpan(token) {
  const span = element("span", token.segment === null ? "special" : "", token.text || "·");
  span.dataset.pruned = token.pruned ?? "";
  span.title = token.token + (token.pruned === null ? ", never pruned" : `, pruned in layer ${token.pruned}`);
  return span;
}

/** A sequence as it reads: special tokens in their places, each text of a pair on its own. */
function drawTokens(place, sequence, names) {
  let paragraph = element("p", "tokens");
  let segment = null;
  place.append(paragraph);
  for (const token of sequence.tokens) {
    if (token.segment !== null && token.segment !== segment) {
      if (segment !== null) place.append((paragraph = element("p", "tokens")));
      if (names.length > 1) paragraph.before(element("p", "part", names[token.segment]));
      segment = token.segment;
    }
    if (token.space || token.segment === null) paragraph.append(" ");
    paragraph.append(tokenSpan(token));
  }
}

function unread(text, segment, name) {
  if (!text.truncated || segment.start === null) return "";
  const letters = Array.from(segment.text);
  const count = (part) => Array.from(part.join("").trim()).length;
  const before = count(letters.slice(0, segment.start));
  const after = count(letters.slice(segment.end));
  const parts = [before && `first ${before}`, after && `last ${after}`].filter(Boolean);
  return parts.length ? `Too long: the ${parts.join(" and ")} characters of the ${name} were not read.` : "";
}

function drawText(explanation, text, rank) {
  const place = element("article", "text");
  const names = explanation.ranked ? ["query", "passage"] : text.segments.length > 1 ? ["first text", "second text"] : ["text"];
  const header = element("header", "");
  if (explanation.ranked) {
    const { answer } = text;
    const [score] = answer.scores;
    header.append(element("span", "rank", String(rank + 1)), element("span", "", `passage ${text.index + 1}`));
    header.append(element("span", "value", scoreText(answer, score.value)));
    if (answer.probabilities) header.append(bar(score.value, text.dense?.scores[0].value));
    header.append(element("span", "counts"));
    place.append(header);
  }
  text.sequences.forEach((sequence, i) => {
    if (text.sequences.length > 1) place.append(element("p", "part", `window ${i + 1} of ${text.sequences.length}`));
    drawTokens(place, sequence, names);
    if (sequence.finished !== null) {
      const said = `Layer ${sequence.finished} pruned the first token, from which the answer is read: all others go with it.`;
      const remark = element("p", "remark", said);
      remark.dataset.from = sequence.finished + 1;
      place.append(remark);
    }
  });
  text.segments.forEach((segment, i) => {
    const said = unread(text, segment, names[i]);
    if (said) place.append(element("p", "remark", said));
  });
  if (text.sequences.reduce((sum, sequence) => sum + sequence.tokens.length, 0) > LONG) place.classList.add("long");
  return place;
}

function drawTable(body, explanation) {
  const alive = aliveIn(explanation.texts);
  const tokens = explanation.texts.flatMap((text) => text.sequences.flatMap((sequence) => sequence.tokens));
  const rows = [element("tr", "", element("th", "", "in"), element("td"), element("td", "", String(alive[0])), element("td"))];
  explanation.rules.forEach((rule, layer) => {
    const gone = tokens.filter((token) => token.pruned === layer).map((token) => token.token);
    const cells = [rule, String(alive[layer + 1]), gone.join(" ")].map((cell) => element("td", "", cell));
    rows.push(element("tr", "", element("th", "", String(layer)), ...cells));
  });
  for (const row of rows) row.firstChild.scope = "row";
  body.replaceChildren(...rows);
}

/** A token in the layer that prunes it is struck out, and fades from the next one on. */
function fade(span, step) {
  const age = span.dataset.pruned === "" ? -1 : step - 1 - Number(span.dataset.pruned);
  span.dataset.state = age < 0 ? "alive" : age ? "gone" : "going";
  span.style.opacity = age > 0 ? Math.max(GHOST.least, GHOST.first * GHOST.each ** (age - 1)) : 1;
}

/** Show the tokens as they are after so many layers. */
function show(step) {
  const alive = aliveIn(shown.texts);
  const after = step === 0 ? "Before the first layer" : `After layer ${step - 1}`;
  const said = `${after}: ${alive[step]} of ${alive[0]} tokens alive`;
  $("layer").value = step;
  $("layer").setAttribute("aria-valuetext", said);
  $("state").textContent = said;
  const here = step && alive[step - 1] - alive[step];
  if (here) $("state").append(" ", element("span", "", `(${here} pruned here)`));
  for (const span of document.querySelectorAll("#texts [data-pruned]")) fade(span, step);
  for (const remark of document.querySelectorAll("#texts [data-from]")) {
    remark.style.visibility = step >= remark.dataset.from ? "visible" : "hidden";
  }
  shown.texts.forEach((text, i) => {
    const counts = $("texts").children[i].querySelector(".counts");
    const own = aliveIn([text]);
    if (counts) counts.textContent = `${own[step]} of ${own[0]} alive`;
  });
  Array.from($("plot").children).forEach((column, i) => {
    column.className = i < step ? "passed" : i === step ? "here" : "";
  });
}

function stop() {
  window.clearInterval(timer);
  timer = 0;
  $("play").classList.remove("playing");
  $("play").setAttribute("aria-label", "Play the layers");
}

function play() {
  const layers = shown.layers;
  const [least, most] = STEP_MS;
  show(Number($("layer").value) < layers ? Number($("layer").value) : 0);
  $("play").classList.add("playing");
  $("play").setAttribute("aria-label", "Pause");
  timer = window.setInterval(() => {
    show(Number($("layer").value) + 1);
    if (Number($("layer").value) >= layers) stop();
  }, Math.min(most, Math.max(least, ALL_MS / layers)));
}

/** Move by hand. */
function go(step) {
  stop();
  show(Math.min(shown.layers, Math.max(0, step)));
}

function draw(explanation) {
  stop();
  shown = explanation;
  $("explanation").hidden = false;
  drawAnswer($("answer"), explanation);
  drawTimes($("times"), explanation);
  drawPlot($("plot"), explanation);
  $("texts").replaceChildren(...explanation.texts.map((text, rank) => drawText(explanation, text, rank)));
  drawTable($("table").tBodies[0], explanation);
  const dial = explanation.pruning === 1 ? "" : `, pruning times ${explanation.pruning}`;
  $("source").textContent = `${explanation.bundle}: ${explanation.target}, ${explanation.precision}${dial}`;
  show(0);
  if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) play();
}

$("play").addEventListener("click", () => (timer ? stop() : play()));
$("layer").addEventListener("input", () => go(Number($("layer").value)));
$("plot").addEventListener("click", (event) => {
  const step = Array.from($("plot").children).indexOf(event.target.closest("#plot > div"));
  if (step >= 0) go(step);
});
document.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: -1, ArrowRight: 1 };
  const elsewhere = event.target.closest("input, textarea, select");
  if (shown && !elsewhere && event.key in moves && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    go(Number($("layer").value) + moves[event.key]);
  }
});

const given = JSON.parse($("given").textContent);
if (given) draw(given);
