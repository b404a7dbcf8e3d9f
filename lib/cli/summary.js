// @ts-check
'use strict'

/**
 * What an install did, as lines of name and value.
 *
 * @param {import('../cache-system.js').DownloadSummary & { peakMemory: number }} summary
 * @returns {[string, string][]}
 */
function summaryLines(summary) {
  const { downloaded, unchanged, failed, skipped, cacheHits } = summary
  return [
    ['Repository', `${summary.repository} at ${summary.ref}`],
    ['Destination', summary.destination],
    [
      'Files',
      `${summary.total} (${downloaded} downloaded, ${unchanged} unchanged, ${failed} failed)`,
    ],
    ...(skipped > 0
      ? [
          /** @type {[string, string]} */ ([
            'Skipped',
            `${summary.skippedPaths.join(', ')} (submodules)`,
          ]),
        ]
      : []),
    ['Bytes', bytes(summary.bytes)],
    ['API calls', String(summary.apiCalls)],
    ['Cache hits', `${cacheHits.memory} memory, ${cacheHits.disk} disk`],
    ['Time', `${summary.duration.toFixed(0)} ms`],
    ['Peak memory', bytes(summary.peakMemory)],
  ]
}

/** @param {number} count */
function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(count, 1)) / 10))
  return `${(count / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

module.exports = { summaryLines, bytes }
