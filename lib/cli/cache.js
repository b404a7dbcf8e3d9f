// @ts-check
'use strict'

const { existsSync } = require('node:fs')
const { parseArgs } = require('node:util')
const { cacheDirOf } = require('./cache-dir.js')
const { runCommand } = require('./command.js')
const { openCache } = require('./open-cache.js')
const { bytes } = require('./summary.js')

const HELP = `Usage: aiwf-native cache <stats|verify|clean|clear> [options]

  stats    count what is on disk
  verify   read every entry and drop the damaged ones
  clean    remove expired entries
  clear    remove all entries

Options:
  --cache-dir <folder>  the cache (default: ~/.cache/aiwf-native, or $XDG_CACHE_HOME/aiwf-native)
  --ttl <ms>            with clean: the age at which an entry without a policy of its own expires (default: 300000)
  --json                print the result as JSON
  -h, --help            show this help

Exit code: 0 done, 1 failed or damaged entries found, 2 called wrongly.
`

/** @satisfies {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = /** @type {const} */ ({
  'cache-dir': { type: 'string' },
  ttl: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
})

/** @typedef {Awaited<ReturnType<typeof openCache>>} Cache */

/**
 * What a command found or did, its text, and its exit code.
 *
 * @typedef {{ result: object, text: string, code?: number }} Outcome
 */

/** @type {Record<string, (cache: Cache) => Promise<Outcome>>} */
const actions = {
  async stats(cache) {
    const { entries, bytes: size } = await cache.diskStats()
    const result = { cacheDir: cache.cacheDir, entries, bytes: size }
    return { result, text: `${cache.cacheDir}: ${entries} entries, ${bytes(size)}` }
  },
  async verify(cache) {
    const result = await cache.verify()
    const { damagedEntries, damagedBytes } = result
    const text = damagedEntries
      ? `${damagedEntries} damaged entries dropped, ${bytes(damagedBytes)}`
      : 'No damaged entries'
    return { result, text, code: damagedEntries > 0 ? 1 : 0 }
  },
  async clean(cache) {
    const { expiredDiskEntries, freedBytes } = await cache.cleanup()
    const text = `${expiredDiskEntries} expired entries removed, ${bytes(freedBytes)} freed`
    return { result: { expiredDiskEntries, freedBytes }, text }
  },
  async clear(cache) {
    const result = await cache.diskStats()
    await cache.clear()
    return { result, text: `${result.entries} entries removed, ${bytes(result.bytes)}` }
  },
}

/**
 * `aiwf-native cache`
 *
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function cache(args) {
  return runCommand('cache', { help: HELP, parse: () => parse(args), run })
}

/** @param {string[]} args */
function parse(args) {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true })
  if (values.help) return undefined
  const [name = ''] = positionals
  if (!Object.hasOwn(actions, name) || positionals.length > 1) {
    throw new Error(`expected ${Object.keys(actions).join(', ')}`)
  }
  const ttl = Number(values.ttl ?? 300_000)
  if (!Number.isInteger(ttl) || ttl < 1) {
    throw new Error(`--ttl must be a whole number above 0, not '${values.ttl}'`)
  }
  return { action: actions[name], given: values['cache-dir'], ttl, json: values.json }
}

/** @param {NonNullable<ReturnType<typeof parse>>} call */
async function run({ action, given, ttl, json }) {
  const cacheDir = cacheDirOf(given)
  // Opening it would make it.
  if (!existsSync(cacheDir)) {
    console.error(`aiwf-native: there is no cache in ${cacheDir}`)
    return 1
  }
  const { result, text, code = 0 } = await action(await openCache(cacheDir, { ttl }))
  console.log(json ? JSON.stringify(result, null, 2) : text)
  return code
}

module.exports = { cache }
