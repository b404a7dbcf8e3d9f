// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../cache-system.js' */

const MINUTE = 60_000
const MIB = 2 ** 20

/** @param {types.CacheOptions} options */
function cacheOptions(options) {
  const given = args.object('options', options)
  const { maxEntries, maxMemoryBytes, maxDiskBytes, jitter, adaptiveTtl, prefetch } = given
  return {
    rules: {
      maxEntries: args.integer('options.maxEntries', maxEntries || 1_000, 1),
      maxMemoryBytes: args.number('options.maxMemoryBytes', maxMemoryBytes || 64 * MIB, 1),
      maxDiskBytes: args.number('options.maxDiskBytes', maxDiskBytes || 256 * MIB, 1),
      jitter: args.number('options.jitter', jitter || 0, 0, 1),
      adaptiveTtl: adaptiveTtl ? bounds(adaptiveTtl) : undefined,
    },
    staleWhileRevalidate: lifetime('options.staleWhileRevalidate', given.staleWhileRevalidate || 0),
    staleIfError: lifetime('options.staleIfError', given.staleIfError || 0),
    maxStale: lifetime('options.maxStale', given.maxStale ?? 24 * 60 * MINUTE),
    sweepInterval: args.number('options.sweepInterval', given.sweepInterval ?? 10 * MINUTE),
    prefetch: prefetch ? args.callback('options.prefetch', prefetch) : undefined,
  }
}

/** @param {{ min: number, max: number }} given */
function bounds(given) {
  const min = lifetime('options.adaptiveTtl.min', args.object('options.adaptiveTtl', given).min)
  const max = args.number('options.adaptiveTtl.max', given.max, min, Number.POSITIVE_INFINITY)
  return { min, max }
}

/**
 * Milliseconds, also without end.
 *
 * @param {string} name
 * @param {number} value
 */
function lifetime(name, value) {
  return args.number(name, value, 0, Number.POSITIVE_INFINITY)
}

module.exports = { cacheOptions, lifetime }
