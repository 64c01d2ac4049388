// Figures and times as people read them.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function count(value) {
  return NUMBER.format(value);
}

/** `1 event`, `2 events`. */
export function counted(value, word) {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${NUMBER.format(value)} ${units[unit]}`;
}

/** A duration in its two greatest units. */
export function duration(ms) {
  if (ms < 1) return `${NUMBER.format(ms * 1000)} µs`;
  if (ms < 1000) return `${NUMBER.format(ms)} ms`;
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
  ];
  const first = units.findIndex(([, size]) => ms >= size);
  const parts = [];
  let left = ms;
  for (const [unit, size] of units.slice(first, first + 2)) {
    const whole = Math.floor(left / size);
    left -= whole * size;
    if (whole > 0) parts.push(`${whole} ${unit}`);
  }
  return parts.join(" ");
}

/** A duration of the API, such as `1500ms` or `30d`. */
export function apiDuration(text) {
  const match = /^([0-9]+)(ms|s|m|h|d)$/.exec(text ?? "");
  if (!match) return text ?? "";
  return duration(Number(match[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2]]);
}

/** `2026-11-24T06:54:58.727Z`, from milliseconds. */
export function instant(ms) {
  return new Date(ms).toISOString();
}

/** `2026-11-24 06:54:58.727`, from a time as the API writes it. */
export function time(text) {
  return text.replace("T", " ").replace("Z", "");
}

/** JSON, or text as it is. */
export function dataText(event, indent) {
  if (event.data_base64 !== undefined) return event.data_base64;
  if (event.data === undefined) return "";
  const isJson = event.datacontenttype === undefined || /[/+]json\b/.test(event.datacontenttype);
  if (typeof event.data === "string" && !isJson) return event.data;
  return JSON.stringify(event.data, null, indent);
}

/** At most this many characters, without half a character at the end. */
export function cut(text, max) {
  if (text.length <= max) return text;
  const end = /[\ud800-\udbff]/.test(text[max - 1]) ? max - 1 : max;
  return text.slice(0, end);
}
