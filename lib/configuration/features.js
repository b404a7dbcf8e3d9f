// @ts-check
'use strict'

/** @import * as types from '../configuration.js' */

/** @type {types.Features} */
const features = {
  get enableBatchProcessing() {
    return process.env.ENABLE_BATCH_PROCESSING === 'true'
  },
  get enableMemoryProfiling() {
    return process.env.ENABLE_MEMORY_PROFILING === 'true'
  },
}

module.exports = { features: Object.freeze(features) }
