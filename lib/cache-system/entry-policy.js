// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const { lifetime } = require('./cache-options.js')

/** @import * as types from '../cache-system.js' */
/** @import { EntryPolicy, NativeCache } from '../../binding.js' */

/**
 * How a value is to be stored: as the caller says, else as its response does; `undefined` if it must not be.
 *
 * @param {NativeCache} native
 * @param {types.SetOptions} options
 * @param {() => EntryPolicy | undefined} before how it was stored up to now
 * @returns {EntryPolicy | undefined}
 */
function entryPolicy(native, { ttl, validator, response }, before) {
  if (ttl !== undefined) lifetime('options.ttl', ttl)
  if (validator !== undefined) args.string('options.validator', validator)
  if (response === undefined) return { ttl, validator }
  const { status, headers } = args.object('options.response', response)
  const told = native.policyOf(flat(headers), Date.now())
  if (told === null) return undefined
  // What a 304 leaves out stays as it was (RFC 9111 section 3.2).
  const known = status === 304 ? before() : undefined
  return {
    ttl: ttl ?? told.ttl ?? known?.ttl,
    validator: validator ?? told.validator ?? known?.validator,
    mustRevalidate: told.mustRevalidate ?? known?.mustRevalidate,
  }
}

/**
 * Names and values in turn.
 *
 * @param {types.ResponseHead['headers']} headers
 */
function flat(headers) {
  const given = args.object('options.response.headers', headers)
  const entries = Symbol.iterator in given ? [...given] : Object.entries(given)
  return entries
    .filter(([, value]) => value !== undefined && value !== null)
    .flatMap(([name, value]) => [value].flat().flatMap((one) => [name, String(one)]))
}

module.exports = { entryPolicy }
