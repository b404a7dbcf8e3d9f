// @ts-check
'use strict'

const CODES = { green: 32, yellow: 33, red: 31 }

/**
 * A text in a colour where that is wanted: on a terminal, unless `NO_COLOR` (no-color.org) or the terminal says
 * otherwise; anywhere with `FORCE_COLOR`, as for Node itself.
 *
 * @param {keyof typeof CODES} colour
 * @param {string} text
 * @param {{ isTTY?: boolean }} stream
 */
function coloured(colour, text, stream) {
  return isWanted(stream) ? `\x1b[${CODES[colour]}m${text}\x1b[39m` : text
}

/** @param {{ isTTY?: boolean }} stream */
function isWanted({ isTTY = false }) {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return isTTY && !NO_COLOR && TERM !== 'dumb'
}

module.exports = { coloured }
