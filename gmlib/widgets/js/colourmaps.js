// From the paper's colour to ever denser blue: a density lies on the page without an edge, in light and in dark.

const STOPS = {
  light: ["#ffffff", "#dcecf7", "#b3d5ec", "#86bce0", "#559fd0", "#2b80b9"],
  dark: ["#14181e", "#16293c", "#193f60", "#1d5784", "#2572a8", "#318dc9"],
};

export const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// 256 colours as 32-bit words of an ImageData.
export function ramp(dark) {
  const stops = STOPS[dark ? "dark" : "light"].map(channels);
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(place));
    const [r, g, b] = stops[low].map((v, c) => Math.round(v + (place - low) * (stops[low + 1][c] - v)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}
