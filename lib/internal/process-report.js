// @ts-check
'use strict'

/**
 * Node's report on this process, without the network: with it, the names of all open connections are looked up.
 *
 * @returns {any}
 */
function processReport() {
  const report = /** @type {NodeJS.ProcessReport & { excludeNetwork: boolean }} */ (process.report)
  const { excludeNetwork } = report
  report.excludeNetwork = true
  const made = report.getReport()
  report.excludeNetwork = excludeNetwork
  return made
}

module.exports = { processReport }
