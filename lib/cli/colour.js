// @ts-check
'use strict'

/**
 * Texts in colours where those are wanted: on a terminal, unless `NO_COLOR` (no-color.org) or the terminal says otherwise;
 * on any stream with `FORCE_COLOR`, as for Node itself.
 *
 * @param {{ isTTY?: boolean }} [stream] none: no colours
 */
function palette(stream) {
  const wanted = stream !== undefined && isWanted(stream)
  const paint = (/** @type {number} */ code) => (/** @type {string} */ text) =>
    wanted ? `\x1b[${code}m${text}\x1b[0m` : text
  return { good: paint(32), warn: paint(33), bad: paint(31), dim: paint(2), bold: paint(1) }
}

/** @param {{ isTTY?: boolean }} stream */
function isWanted({ isTTY = false }) {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return isTTY && !NO_COLOR && TERM !== 'dumb'
}

module.exports = { palette }
