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
  const windows = {
    staleWhileRevalidate: lifetime('options.staleWhileRevalidate', given.staleWhileRevalidate || 0),
    staleIfError: lifetime('options.staleIfError', given.staleIfError || 0),
  }
  const maxStale = lifetime('options.maxStale', given.maxStale ?? 24 * 60 * MINUTE)
  return {
    rules: {
      maxEntries: args.integer('options.maxEntries', maxEntries || 1_000, 1),
      maxMemoryBytes: args.number('options.maxMemoryBytes', maxMemoryBytes || 64 * MIB, 1),
      maxDiskBytes: args.number('options.maxDiskBytes', maxDiskBytes || 256 * MIB, 1),
      jitter: args.number('options.jitter', jitter || 0, 0, 1),
      adaptiveTtl: adaptiveTtl ? bounds(adaptiveTtl) : undefined,
      ttlByContentType: byContentType(given.ttlByContentType || {}),
    },
    windows,
    // What may still be served is not swept away.
    maxStale: Math.max(windows.staleWhileRevalidate, windows.staleIfError, maxStale),
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

/** `type/subtype`, `type/*` or `*\/*`, of tokens as in RFC 9110 section 5.6.2. */
const MEDIA_RANGE = /^(?:[\w!#$%&'+.^`|~-]+\/(?:\*|[\w!#$%&'+.^`|~-]+)|\*\/\*)$/

/** @param {Record<string, number>} given */
function byContentType(given) {
  const name = 'options.ttlByContentType'
  for (const [range, ttl] of Object.entries(args.object(name, given))) {
    if (!MEDIA_RANGE.test(range)) {
      throw args.invalidValue(name, "must have names such as 'text/html', 'text/*' or '*/*'", range)
    }
    lifetime(`${name}['${range}']`, ttl)
  }
  return given
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
