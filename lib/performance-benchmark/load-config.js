// @ts-check
'use strict'

const { METHODS } = require('node:http')
const args = require('../internal/arguments.js')

/** @import * as types from '../performance-benchmark.js' */

/** More workers than a machine has ports; their number alone is not to exhaust its memory. */
const MOST_WORKERS = 100_000

/** The longest delay a timer takes, in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1

/**
 * The settings of a load test, with defaults.
 *
 * @param {types.LoadTestConfig} config
 */
function loadTestConfig(config) {
  args.object('config', config)
  const { signal, maxRequests, rate, onProgress } = config
  if (signal !== undefined) args.instance('signal', signal, AbortSignal)
  if (onProgress !== undefined) args.callback('onProgress', onProgress)
  const target = targetOf(config)
  if (typeof target === 'function' && (rate != null || config.http2)) {
    throw args.invalidValue('target', 'must be a URL for a test with "rate" or "http2"', target)
  }
  return {
    name: args.string('name', config.name),
    target,
    duration: args.number('duration', config.duration ?? 60_000, 0, MAX_DELAY),
    concurrency: args.integer('concurrency', config.concurrency ?? 10, 1, MOST_WORKERS),
    rampUp: args.number('rampUp', config.rampUp ?? 5000, 0, MAX_DELAY),
    timeout: args.number('timeout', config.timeout ?? 30_000, 1, MAX_DELAY),
    method: methodOf('method', config.method ?? 'GET'),
    http2: Boolean(config.http2),
    ...(rate != null && { rate: args.number('rate', rate, 1e-3, 1e9) }),
    ...(maxRequests != null && {
      maxRequests: args.integer('maxRequests', maxRequests, 1, Number.MAX_SAFE_INTEGER),
    }),
  }
}

/** @typedef {ReturnType<typeof loadTestConfig>} Settings */

/** @param {types.LoadTestConfig} config */
function targetOf({ target, targets }) {
  if (targets === undefined) {
    return typeof target === 'function' ? target : args.string('target', target)
  }
  if (!Array.isArray(targets)) {
    throw args.invalidType('targets', 'an instance of Array', targets)
  }
  if (target !== undefined || targets.length === 0) {
    throw args.invalidValue('targets', 'must be a list of URLs instead of "target"', targets)
  }
  return undefined
}

/**
 * The targets as native code takes them. What one does not say itself, the test says for all.
 *
 * @param {types.LoadTestConfig} config
 */
function targetsOf(config) {
  const { targets = [{ url: /** @type {string} */ (config.target) }] } = config
  return targets.map((target, index) => {
    const name = (/** @type {string} */ property) =>
      config.targets ? `targets[${index}].${property}` : property
    const own = { ...config, ...args.object(`targets[${index}]`, target) }
    return {
      url: args.string(name('url'), target.url),
      method: methodOf(name('method'), own.method ?? 'GET'),
      headers: headersOf(name('headers'), own.headers),
      body: bytesOf(name('body'), own.body ?? ''),
      statuses: [own.expectedStatus ?? []]
        .flat()
        .map((status) => args.integer(name('expectedStatus'), status, 100, 599)),
      weight: args.number(name('weight'), target.weight ?? 1, Number.MIN_VALUE, 1e6),
    }
  })
}

/**
 * What a result says of the settings: nothing that may hold a secret.
 *
 * @param {Settings} settings
 * @param {types.LoadTestConfig} config
 * @returns {types.LoadTestResult['config']}
 */
function describe(settings, { targets, expectedStatus }) {
  return {
    ...settings,
    ...(typeof settings.target === 'string' && { target: withoutSecrets(settings.target) }),
    ...(targets && {
      targets: targets.map(({ url, method, weight }) => ({
        url: withoutSecrets(url),
        ...(method !== undefined && { method }),
        ...(weight !== undefined && { weight }),
      })),
    }),
    ...(expectedStatus !== undefined && { expectedStatus }),
  }
}

/** @param {string} text */
function withoutSecrets(text) {
  const url = new URL(text)
  if (!url.username && !url.password) return text
  url.username = ''
  url.password = ''
  return url.href
}

/** @param {string} name @param {string} value */
function methodOf(name, value) {
  const method = args.string(name, value).toUpperCase()
  if (!METHODS.includes(method) || method === 'CONNECT') {
    throw args.outOfRange(name, 'a request method', value)
  }
  return method
}

/** @param {string} name @param {types.LoadTestConfig['headers']} headers */
function headersOf(name, headers) {
  try {
    return [...new Headers(headers)].flat()
  } catch {
    // They may hold a secret, so they are not shown.
    const error = new TypeError(
      `The argument '${name}' must be headers whose names and values HTTP allows`,
    )
    throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' })
  }
}

/** @param {string} name @param {string | NodeJS.ArrayBufferView} body */
function bytesOf(name, body) {
  if (typeof body === 'string') return Buffer.from(body)
  if (ArrayBuffer.isView(body)) {
    try {
      return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    } catch {
      throw args.invalidValue(name, 'must not be detached', body)
    }
  }
  throw args.invalidType(name, 'of type string or an instance of Buffer or TypedArray', body)
}

module.exports = { loadTestConfig, targetsOf, describe }
