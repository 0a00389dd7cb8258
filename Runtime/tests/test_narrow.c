/* Halves: every one of them to f32 and back, and rounding at and next to the middle of every two neighbours, from floats and
 * from doubles; through the tile primitives of every instruction set. */
#include "support.h"

typedef void (*widen)(float *, const unsigned short *, long);
typedef void (*narrow32)(unsigned short *, const float *, long);
typedef void (*narrow64)(unsigned short *, const double *, long);

/* The value of a positive finite half of `fraction` bits of fraction and exponents beginning at `least`. */
static double value(unsigned bits, int fraction, int least) {
  const unsigned exponent = bits >> fraction, rest = bits & ((1u << fraction) - 1u);
  if (exponent == 0) return ldexp((double)rest, least - fraction);
  return ldexp((double)(rest + (1u << fraction)), (int)exponent - 1 + least - fraction);
}

static void halves(mt_isa isa, const char *name, int fraction, int least) {
  char text[48];
  snprintf(text, sizeof text, "mt_convert_%s_f32", name);
  const widen to_float = FUNCTION(widen, text, isa);
  snprintf(text, sizeof text, "mt_convert_f32_%s", name);
  const narrow32 from_float = FUNCTION(narrow32, text, isa);
  snprintf(text, sizeof text, "mt_convert_f64_%s", name);
  const narrow64 from_double = FUNCTION(narrow64, text, isa);
  const unsigned infinite = 0x7fffu >> fraction << fraction;
  static unsigned short bits[65536], back[65536];
  static float wide[65536];
  for (unsigned u = 0; u < 65536; ++u) bits[u] = (unsigned short)u;
  to_float(wide, bits, 65536);
  from_float(back, wide, 65536);
  long bad = 0;
  for (unsigned u = 0; u < 65536; ++u) {
    const unsigned rest = u & 0x7fffu;
    if (rest > infinite) {
      bad += !isnan(wide[u]) || (back[u] & 0x7fffu) <= infinite || (back[u] >> 15) != (u >> 15);
      continue;
    }
    const double want = rest == infinite ? (double)INFINITY : value(rest, fraction, least);
    bad += (double)wide[u] != (u >> 15 ? -want : want) || back[u] != u;
  }
  CHECK(bad == 0, "%s %s: %ld of the halves", name, mt_isa_name(isa), bad);
  bad = 0;
  for (unsigned u = 0; u < infinite; ++u) {
    const double a = value(u, fraction, least), b = value(u + 1, fraction, least), middle = (a + b) / 2;
    const unsigned even = u & 1u ? u + 1 : u;
    const double d[6] = {middle, nextafter(middle, 0), nextafter(middle, INFINITY), -middle, -nextafter(middle, 0), a};
    const unsigned want[6] = {even, u, u + 1, even | 0x8000u, u | 0x8000u, u};
    const float f[4] = {(float)middle, nextafterf((float)middle, 0), nextafterf((float)middle, INFINITY), -(float)middle};
    const unsigned want_f[4] = {even, u, u + 1, even | 0x8000u};
    unsigned short y[6];
    /* The largest finite half has no neighbour above: `value` of infinity is the next power of two. */
    from_double(y, d, 6);
    for (int k = 0; k < 6; ++k) bad += y[k] != want[k];
    from_float(y, f, 4);
    /* The smallest of bf16 are below the floats' own precision. */
    for (int k = 0; k < 4 && (double)f[0] == middle; ++k) bad += y[k] != want_f[k];
  }
  CHECK(bad == 0, "%s %s: %ld roundings", name, mt_isa_name(isa), bad);
}

int main(void) {
  for (int i = 0; i < MT_ISA_COUNT; ++i) {
    if (!mt_isa_supported((mt_isa)i)) continue;
    halves((mt_isa)i, "f16", 10, -14);
    halves((mt_isa)i, "bf16", 7, -126);
  }
  return finish("narrow");
}
