// @ts-check
'use strict'

const os = require('node:os')

/** @import * as types from '../performance-benchmark.js' */

/**
 * What decides how fast things run here, as far as a program can tell.
 *
 * @returns {types.BenchmarkMachine}
 */
function machine() {
  return {
    platform: process.platform,
    arch: process.arch,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory: os.totalmem(),
    node: process.version,
    v8: process.versions.v8,
  }
}

/**
 * The properties in which two machines differ.
 *
 * @param {types.BenchmarkMachine} one
 * @param {types.BenchmarkMachine} other
 */
function differences(one, other) {
  const names = /** @type {(keyof types.BenchmarkMachine)[]} */ (Object.keys(one))
  return names.filter((name) => one[name] !== other[name])
}

module.exports = { machine, differences }
