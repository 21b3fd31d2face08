"use strict";
// Everything that a student wrote goes into the page as text, never as HTML.
const at = id => document.getElementById(id);
let told, marks, phrases, item = 0, student = 0, digits = "", digitTime = 0;
const waiting = new Map();  // changes that are not saved yet, the newest of each cell
let sending = false;
let refused = false;  // the last key gave no mark: what was said of it stays to be read until the next change

const byItem = () => at("order").value === "item";
const here = () => ({ who: told.students[student], what: told.items[item] });
const own = () => marks[here().who.id];
const open = (s, i) => told.students[s].handed_in && marks[told.students[s].id].marks[told.items[i].id] === undefined;

const within = (value, all) => Math.min(all.length - 1, Math.max(0, value));

function element(name, text, more = {}) {
  const made = Object.assign(document.createElement(name), more);
  made.textContent = text;
  return made;
}

function say(text, failed = false) {
  at("saved").textContent = text;
  at("saved").classList.toggle("failed", failed);
}

// Saving: at once, one request at a time; what changes meanwhile goes with the next.
function change(column, value, draw = true) {
  const id = here().who.id, now = marks[id];
  refused = false;
  if (column === "remark") now.remark = value;
  else if (column.startsWith("comment: ")) now.comments[column.slice(9)] = value;
  else if (value === null) delete now.marks[column];
  else now.marks[column] = value;
  waiting.set(`${id}\n${column}`, { student: id, column, value });
  send();
  if (draw) show();
}

async function send() {
  if (sending) return;
  sending = true;
  while (waiting.size) {
    const [key, next] = waiting.entries().next().value;
    if (!refused) say("saving …");
    try {
      const reply = await fetch("marks", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(next) });
      const said = await reply.json();
      if (waiting.get(key) === next) waiting.delete(key);
      if (!reply.ok) { say(`Not saved: ${said.problem}`, true); await load(); break; }
      for (const [id, each] of Object.entries(said.students)) marks[id].total = each.total;
      if (!waiting.size && !refused) say("saved");
      totals();
    } catch {
      refused = false;
      say("Not saved: the command has ended. Start `dae-lab mark` again; this page keeps trying.", true);
      setTimeout(send, 2000);
      break;
    }
  }
  sending = false;
}

async function load() {
  told = await (await fetch("class.json")).json();
  ({ students: marks, phrases } = told.marks);
  document.title = `Marks – ${told.title}`;
  at("item").replaceChildren(...told.items.map(each => element("option", `${each.id} (${each.points})`)));
  at("student").replaceChildren(...told.students.map(each => element("option", `${each.name} (${each.id})`)));
  for (const field of ["comment", "remark"]) at(field).maxLength = told.longest;
  item = within(item, told.items);
  student = within(student, told.students);
  show();
}

addEventListener("beforeunload", event => { if (waiting.size) event.preventDefault(); });

// Drawing
function totals() {
  const all = told.students.filter(each => each.handed_in);
  const done = all.reduce((sum, each) => sum + told.items.filter(i => marks[each.id].marks[i.id] !== undefined).length, 0);
  at("progress").max = Math.max(1, all.length * told.items.length);
  at("progress").value = done;
  at("count").textContent = `${done} of ${all.length * told.items.length}`;
  const sum = Object.values(own().marks).reduce((a, b) => a + b, 0);
  const left = told.items.filter(i => own().marks[i.id] === undefined).length;
  at("total").textContent = `Student’s total: ${sum}${left ? ` (${left} to mark)` : ""}`;
}

function show() {
  const { who, what } = here();
  at("item").selectedIndex = item;
  at("student").selectedIndex = student;
  at("where").textContent = `${what.id} · ${who.name} (${who.id})`;
  at("question").textContent = what.question;
  const written = who.answers[what.id];
  at("answer").textContent = written || (who.handed_in ? "Nothing is written." : "Not handed in.");
  at("model").textContent = what.model || "None: it rests on the numbers of the student’s own run.";
  at("report").hidden = !who.report;
  at("report").href = `report/${encodeURIComponent(who.folder)}#answer-${encodeURIComponent(what.id)}`;
  const notes = [...(who.status === "complete" ? [] : [who.status]), ...who.notes];
  at("notes").hidden = !notes.length;
  at("notes").textContent = `Look at:\n${notes.join("\n")}`;
  const field = at("mark");
  field.max = what.points;
  field.step = told.step;
  field.value = own().marks[what.id] ?? "";
  at("points").textContent = what.points;
  at("comment").value = own().comments[what.id] ?? "";
  at("remark").value = own().remark;
  at("facts").replaceChildren(...who.facts.map(fact => {
    const row = document.createElement("tr");
    const number = fact.measured === null ? "not measured" : `${Number(fact.measured.toPrecision(4))} ${fact.unit}`;
    row.append(element("td", fact.claim), element("td", number), element("td", fact.verdict));
    return row;
  }));
  at("phrases").replaceChildren(...phrases.map((text, n) => {
    const line = document.createElement("li");
    const use = element("button", text, { type: "button" });
    use.addEventListener("click", () => again(n));
    const drop = element("button", "×", { type: "button", ariaLabel: `Forget: ${text}` });
    drop.addEventListener("click", () => keep(phrases.filter(each => each !== text)));
    line.append(use, " ", drop);
    return line;
  }));
  totals();
}

// Moving
function move(by, other = false) {
  digits = "";
  if (byItem() !== other) student = within(student + by, told.students);
  else item = within(item + by, told.items);
  show();
}

function moveToOpen() {
  const [columns, rows] = [told.items.length, told.students.length];
  const all = columns * rows;
  const start = byItem() ? item * rows + student : student * columns + item;
  for (let step = 1; step <= all; step++) {
    const place = (start + step) % all;
    const [s, i] = byItem() ? [place % rows, Math.floor(place / rows)] : [Math.floor(place / columns), place % columns];
    if (open(s, i)) { [student, item, digits] = [s, i, ""]; return show(); }
  }
  say("Everything is marked.");
}

// Marking
function give(value) {
  const { what } = here();
  const steps = Math.round(value / told.step) * told.step;
  if (value < 0 || value > what.points || (steps !== value && value !== what.points)) {
    refused = true;
    return say(`${value} is no mark: 0 to ${what.points} in steps of ${told.step}`, true);
  }
  change(what.id, value);
}

function digit(key) {
  const now = Date.now(), { what } = here();
  digits = now - digitTime < 1000 && Number(digits + key) <= what.points ? digits + key : key;
  digitTime = now;
  give(Number(digits));
}

function again(n) {
  const before = at("comment").value.trim();
  if (phrases[n] !== undefined) change(`comment: ${here().what.id}`, [before, phrases[n]].filter(Boolean).join("\n").slice(0, told.longest));
}

function keep(all) {
  phrases = [...new Set(all)];
  waiting.set("phrases", { phrases });
  send();
  show();
}

const keepThis = () => { const text = at("comment").value.trim(); if (text) keep([...phrases, text]); };
const actions = {
  j: () => move(1), ArrowRight: () => move(1), k: () => move(-1), ArrowLeft: () => move(-1),
  J: () => move(1, true), K: () => move(-1, true), n: moveToOpen, f: () => give(here().what.points),
  ".": () => give((own().marks[here().what.id] ?? 0) + told.step), Backspace: () => change(here().what.id, null),
  c: () => at("comment").focus(), r: () => at("remark").focus(), s: keepThis,
  o: () => { at("order").selectedIndex = 1 - at("order").selectedIndex; }, v: () => { at("numbers").open = !at("numbers").open; },
};

addEventListener("keydown", event => {
  if (event.key === "Escape") { document.activeElement.blur(); return; }
  if (event.altKey && /^Digit[1-9]$/.test(event.code)) { event.preventDefault(); return again(Number(event.code.slice(5)) - 1); }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (/^[0-9]$/.test(event.key)) digit(event.key);
  else if (actions[event.key]) actions[event.key]();
  else return;
  event.preventDefault();
});

at("form").addEventListener("submit", event => event.preventDefault());
at("mark").addEventListener("change", () => at("mark").value === "" && at("mark").validity.valid ? change(here().what.id, null) : give(at("mark").valueAsNumber));
at("comment").addEventListener("input", () => change(`comment: ${here().what.id}`, at("comment").value, false));
at("remark").addEventListener("input", () => change("remark", at("remark").value, false));
at("item").addEventListener("change", () => { item = at("item").selectedIndex; show(); });
at("student").addEventListener("change", () => { student = at("student").selectedIndex; show(); });
at("previous").addEventListener("click", () => move(-1));
at("next").addEventListener("click", () => move(1));
at("open").addEventListener("click", moveToOpen);
at("keep").addEventListener("click", keepThis);

load();
