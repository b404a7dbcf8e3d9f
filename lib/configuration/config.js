// @ts-check
'use strict'

// One configuration from four places. Each overrides those before it: the defaults of the environment, the
// file, the file's section for the environment, environment variables.

const { existsSync, readFileSync } = require('node:fs')
const { resolve } = require('node:path')
const { inspect } = require('node:util')
const args = require('../internal/arguments.js')
const { exportedBy } = require('./exported.js')

/** @import * as types from '../configuration.js' */

/** @type {Readonly<Record<types.Environment, types.Config>>} */
const DEFAULTS = {
  development: { cacheSize: 100, batchSize: 10, concurrency: 2 },
  production: { cacheSize: 1000, batchSize: 100, concurrency: 10 },
}

const VARIABLES = {
  cacheSize: 'AIWF_NATIVE_CACHE_SIZE',
  batchSize: 'AIWF_NATIVE_BATCH_SIZE',
  concurrency: 'AIWF_NATIVE_CONCURRENCY',
}

const FILES = ['aiwf-native.config.js', 'aiwf-native.config.json']

/**
 * @param {types.Environment} [env]
 * @param {types.ConfigOptions} [options]
 * @returns {types.Config}
 */
function loadConfig(env = currentEnvironment(), options = {}) {
  args.string('env', env)
  if (!Object.hasOwn(DEFAULTS, env)) {
    throw args.outOfRange('env', "'development' or 'production'", env)
  }
  args.object('options', options)
  const config = { ...DEFAULTS[env] }
  const file = configFile(options)
  if (file) Object.assign(config, settingsOf(file, env))
  return Object.assign(config, settingsOfVariables(process.env))
}

/** Everything but production is developed on, tests too. */
function currentEnvironment() {
  return process.env.NODE_ENV === 'production' ? 'production' : 'development'
}

/** @param {types.ConfigOptions} options */
function configFile({ file, cwd = process.cwd() }) {
  const folder = String(args.path('options.cwd', cwd))
  if (file !== undefined) return resolve(folder, String(args.path('options.file', file)))
  return FILES.map((name) => resolve(folder, name)).find((path) => existsSync(path))
}

/**
 * @param {string} file
 * @param {types.Environment} env
 */
function settingsOf(file, env) {
  const content = read(file)
  if (!isRecord(content)) throw invalid(file, `must hold an object, not ${inspect(content)}`)
  const { development = {}, production = {}, ...shared } = content
  // Both sections are checked: a mistake in one must not wait for the day it is used.
  const sections = {
    development: checked(development, `${file}: development`, 'development.'),
    production: checked(production, `${file}: production`, 'production.'),
  }
  return { ...checked(shared, file), ...sections[env] }
}

/** @param {string} file */
function read(file) {
  try {
    return file.endsWith('.json') ? parsed(readFileSync(file, 'utf8')) : exportedBy(file)
  } catch (error) {
    // A module may throw anything.
    const reason = error instanceof Error ? error.message : inspect(error)
    throw invalid(file, `cannot be read: ${reason}`, { cause: error })
  }
}

/** Editors of Windows put a mark before the text. @param {string} text */
function parsed(text) {
  return JSON.parse(text.replace(/^\uFEFF/, ''))
}

/**
 * @param {unknown} settings
 * @param {string} source
 * @param {string} [prefix] of the keys in messages
 * @returns {Partial<types.Config>}
 */
function checked(settings, source, prefix = '') {
  if (!isRecord(settings)) throw invalid(source, `must be an object, not ${inspect(settings)}`)
  for (const [key, value] of Object.entries(settings)) {
    if (!Object.hasOwn(VARIABLES, key)) {
      const known = Object.keys(VARIABLES).join(', ')
      throw invalid(source, `unknown key '${prefix}${key}'; known are ${known}`, { key })
    }
    if (!isSize(value)) {
      const reason = `'${prefix}${key}' must be a whole number above 0, not ${inspect(value)}`
      throw invalid(source, reason, { key })
    }
  }
  return settings
}

/** @param {NodeJS.ProcessEnv} variables */
function settingsOfVariables(variables) {
  /** @type {Record<string, number>} */
  const settings = {}
  for (const [key, name] of Object.entries(VARIABLES)) {
    const text = variables[name]
    // A variable that is set to nothing is how shells unset one for a command.
    if (!text) continue
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!isSize(value)) {
      throw invalid(name, `must be a whole number above 0, not ${inspect(text)}`, { key })
    }
    settings[key] = value
  }
  return settings
}

/**
 * An object of settings, or the exports of a module; what keeps its values elsewhere, as a Map or a Promise, is none.
 *
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return ['[object Object]', '[object Module]'].includes(Object.prototype.toString.call(value))
}

/** @param {unknown} value */
function isSize(value) {
  return Number.isSafeInteger(value) && /** @type {number} */ (value) > 0
}

/**
 * @param {string} source a file or a variable
 * @param {string} reason
 * @param {{ key?: string, cause?: unknown }} [more]
 */
function invalid(source, reason, { key, cause } = {}) {
  const error = new Error(`Invalid configuration, ${source}: ${reason}`, cause ? { cause } : {})
  return Object.assign(error, { code: 'ERR_AIWF_INVALID_CONFIG', source, ...(key && { key }) })
}

module.exports = { loadConfig }
