// @ts-check
'use strict'

/** @import { DownloadEvent } from '../cache-system.js' */

const WIDTH = 30

/**
 * A listener that shows progress: a bar on a terminal, elsewhere a plain line for each tenth of the way.
 *
 * @param {{ isTTY?: boolean, write(text: string): unknown }} stream
 * @returns {(event: DownloadEvent) => void}
 */
function progressReporter(stream) {
  return stream.isTTY ? bar(stream) : plainLines(stream)
}

/**
 * @param {{ write(text: string): unknown }} stream
 * @returns {(event: DownloadEvent) => void}
 */
function bar(stream) {
  let shown = ''
  return ({ tally }) => {
    const share = done(tally) / tally.total
    const filled = Math.round(share * WIDTH)
    const line = `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${counts(tally)}`
    if (line !== shown) stream.write(`\r${line}\x1b[K`)
    shown = line
    if (share === 1) stream.write('\n')
  }
}

/**
 * @param {{ write(text: string): unknown }} stream
 * @returns {(event: DownloadEvent) => void}
 */
function plainLines(stream) {
  let tenths = 0
  return ({ tally }) => {
    const reached = Math.floor((10 * done(tally)) / tally.total)
    if (reached > tenths) stream.write(`${counts(tally)}\n`)
    tenths = reached
  }
}

/** @param {DownloadEvent['tally']} tally */
function done({ downloaded, unchanged, skipped, failed }) {
  return downloaded + unchanged + skipped + failed
}

/** @param {DownloadEvent['tally']} tally */
function counts(tally) {
  const failed = tally.failed > 0 ? `, ${tally.failed} failed` : ''
  return `${done(tally)}/${tally.total} files${failed}`
}

module.exports = { progressReporter }
