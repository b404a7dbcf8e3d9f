// @ts-check
'use strict'

const WIDTH = 30

/**
 * A line that shows how far something is, on a terminal; nothing elsewhere.
 *
 * @param {{ isTTY?: boolean, write(text: string): unknown }} stream
 */
function liveLine(stream) {
  let shown = false
  return {
    /**
     * @param {number} share 0 to 1
     * @param {string} text
     */
    show(share, text) {
      if (!stream.isTTY) return
      const filled = Math.round(Math.min(Math.max(share, 0), 1) * WIDTH)
      stream.write(`\r[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${text}\x1b[K`)
      shown = true
    },
    clear() {
      if (shown) stream.write('\r\x1b[K')
      shown = false
    },
  }
}

module.exports = { liveLine }
