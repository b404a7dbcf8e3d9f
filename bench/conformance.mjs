// @ts-check
// How well caches follow RFC 9111, by http-tests/cache-tests, of which AIWF_CACHE_TESTS names a checkout: this package,
// undici's cache interceptor, and what the suite's authors measured of browsers.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheTests } from '../__test__/support/cache-tests.mjs'
import { OptimizedGitHubClient } from '../lib/index.js'
import { peer } from './peer.mjs'

/** @typedef {import('../__test__/support/cache-tests.mjs').Outcomes} Outcomes */

const checkout = process.env.AIWF_CACHE_TESTS ?? ''
if (!checkout) console.log('AIWF_CACHE_TESTS names no checkout of http-tests/cache-tests: left out')
else if (process.argv[2]) process.send?.(await measure(process.argv[2]))
else await main()

async function main() {
  /** @type {Record<string, Outcomes>} */
  const all = {}
  // The suite keeps its results in its modules: each contender has a process of its own.
  for (const name of ['aiwf-native', 'undici']) {
    const [outcomes] = await once(fork(import.meta.filename, [name]), 'message')
    all[name] = outcomes
  }
  for (const name of ['chrome', 'firefox', 'safari'])
    all[name] = await cacheTests(checkout).published(name)
  const count = (/** @type {Outcomes} */ outcomes, /** @type {string[]} */ ...names) =>
    names.reduce((sum, name) => sum + (outcomes[name]?.length ?? 0), 0)
  const rows = Object.entries(all).map(([cache, outcomes]) => ({
    cache,
    pass: count(outcomes, 'pass'),
    fail: count(outcomes, 'fail'),
    'optional fail': count(outcomes, 'optional_fail'),
    'not tested': count(outcomes, 'setup_fail', 'harness_fail', 'dependency_fail', 'retry'),
    'yes / no': `${count(outcomes, 'yes')} / ${count(outcomes, 'no')}`,
  }))
  console.table(rows)
}

/**
 * @param {string} name
 * @returns {Promise<Outcomes>}
 */
async function measure(name) {
  const folder = await mkdtemp(join(tmpdir(), 'bench-conformance-'))
  const suite = cacheTests(checkout)
  const server = await suite.serve(folder)
  const contenders = { 'aiwf-native': ours, undici: theirs }
  const fetch = await contenders[/** @type {'undici'} */ (name)](server.url, folder)
  const { outcomes } = await suite.run(server.url, fetch)
  server.stop()
  await rm(folder, { recursive: true })
  return outcomes
}

/** @param {string} url @param {string} folder */
async function ours(url, folder) {
  return new OptimizedGitHubClient(url, { cacheDir: join(folder, 'cache') }).fetch
}

/** @param {string} _url @param {string} _folder */
async function theirs(_url, _folder) {
  const { Agent, fetch, interceptors } = await peer('undici')
  const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }))
  return (/** @type {any} */ input, /** @type {any} */ init) =>
    fetch(input, { ...init, dispatcher })
}
