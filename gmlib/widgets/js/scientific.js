// Numbers that may be tiny or huge, as they are written by hand: 2.879·10⁻⁶.
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// With `digits` decimals, fixed for what lies between `small` and `large`.
export function scientific(value, digits = 4, small = 1e-3, large = 1e5) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (value === 0 || (size >= small && size < large)) return fixed(value, digits);
  const [mantissa, exponent] = value.toExponential(Math.min(3, digits)).split("e");
  return `${mantissa.replace("-", "−")}·10${[...String(Number(exponent))].map((sign) => RAISED[sign]).join("")}`;
}

function fixed(value, digits) {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}
