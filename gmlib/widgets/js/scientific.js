// Numbers that may be tiny or huge, as they are written by hand: 2.879·10⁻⁶.
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// With that many significant digits; by a power of ten below `small`, and where there are more digits before the point.
export function scientific(value, digits = 4, small = 1e-3) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const plain = Math.abs(value) >= small && Number(exponent) < digits;
  const text = plain ? value.toPrecision(digits) : `${mantissa}·10${[...String(Number(exponent))].map((sign) => RAISED[sign]).join("")}`;
  return text.replace("-", "−");
}
