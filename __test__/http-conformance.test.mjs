// @ts-check
// The public suite for HTTP caches, where AIWF_CACHE_TESTS names a checkout of it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { cacheTests } from './support/cache-tests.mjs'
import { workspace } from './support/workspace.mjs'

const checkout = process.env.AIWF_CACHE_TESTS ?? ''
const skip = checkout ? false : 'AIWF_CACHE_TESTS names no checkout of http-tests/cache-tests'

test('the public suite for HTTP caches, as a private cache', { skip }, async (t) => {
  const folder = await workspace(t)
  const suite = cacheTests(checkout)
  const server = await suite.serve(folder)
  t.after(server.stop)
  const client = new OptimizedGitHubClient(server.url, { cacheDir: join(folder, 'cache') })
  const { results, outcomes } = await suite.run(
    server.url,
    /** @type {typeof fetch} */ (client.fetch),
  )
  for (const [name, ids] of Object.entries(outcomes)) t.diagnostic(`${name}: ${ids.length}`)
  for (const name of ['fail', 'optional_fail', 'setup_fail', 'harness_fail', 'dependency_fail']) {
    for (const id of outcomes[name] ?? []) t.diagnostic(`${name} ${id}: ${results[id][1]}`)
  }
  assert.deepEqual(outcomes.fail ?? [], [])
  assert.ok((outcomes.pass ?? []).length >= 200)
})
