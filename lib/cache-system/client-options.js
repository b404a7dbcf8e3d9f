// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const { cacheOptions } = require('./cache-options.js')

/** @import * as types from '../cache-system.js' */

/**
 * The options of a client, checked, by whom they are for.
 *
 * @param {types.GitHubClientOptions} given
 */
function clientOptions(given) {
  const { cacheDir, ttl, token, http, offline, onRateLimit, ...rest } = given
  const { retries, timeout, connectTimeout, idleTimeout, maxBodyBytes, ...others } = rest
  const { pointsPerMinute, maxConcurrent, validateAcrossTokens, ...options } = others
  const { maxMemoryBytes, maxDiskBytes } = cacheOptions(options).rules
  return {
    cacheDir,
    ttl,
    cache: options,
    token: token ? args.string('cacheOptions.token', token) : undefined,
    http: Boolean(http),
    timeout: time('timeout', timeout),
    network: {
      maxMemoryBytes,
      maxDiskBytes,
      maxBodyBytes: number('maxBodyBytes', maxBodyBytes, 1),
      offline: choice('offline', offline, ['never', 'auto', 'force']),
      retries: args.integer('cacheOptions.retries', retries || 0),
      connectTimeout: time('connectTimeout', connectTimeout),
      idleTimeout: time('idleTimeout', idleTimeout),
      onRateLimit: choice('onRateLimit', onRateLimit, ['wait', 'throw']),
      pointsPerMinute: number('pointsPerMinute', pointsPerMinute, 10),
      maxConcurrent: maxConcurrent
        ? args.integer('cacheOptions.maxConcurrent', maxConcurrent, 1)
        : undefined,
      validateAcrossTokens: Boolean(validateAcrossTokens),
    },
  }
}

/**
 * @param {string} name
 * @param {number | undefined} value milliseconds
 */
function time(name, value) {
  return value ? args.number(`cacheOptions.${name}`, value) : undefined
}

/**
 * A number, also Infinity.
 *
 * @param {string} name
 * @param {number | undefined} value
 * @param {number} min
 */
function number(name, value, min) {
  if (!value) return undefined
  return args.number(`cacheOptions.${name}`, value, min, Number.POSITIVE_INFINITY)
}

/**
 * @param {string} name
 * @param {string | undefined} value
 * @param {string[]} choices
 */
function choice(name, value, choices) {
  if (!value || choices.includes(value)) return value || undefined
  throw args.invalidValue(`cacheOptions.${name}`, `must be one of: ${choices.join(', ')}`, value)
}

module.exports = { clientOptions }
