// @ts-check
// The response to a request whose body is at hand, beside the platform's own: property by property.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

/** Bodies of all kinds, by path. @type {Record<string, Buffer>} */
const BODIES = {
  json: Buffer.from('{"a":[1,2,"\u00e9\u{1f600}"]}'),
  ascii: Buffer.from('[1, 2]'),
  marked: Buffer.from('\ufeff{"marked":true}'),
  broken: Buffer.from([0x22, 0xff, 0xf0, 0x9f, 0x98, 0x22]),
  none: Buffer.alloc(0),
  text: Buffer.from('no json'),
}

/**
 * The same answer three times: by the platform, and by the client on a miss and on a hit.
 *
 * @param {import('node:test').TestContext} t
 */
async function setUp(t) {
  const { url } = await serve(t, (request, response) => {
    const [, name, status] = String(request.url).split('/')
    const headers = {
      'cache-control': 'max-age=60',
      'content-type': 'application/json',
      'x-name': 'n\u00e9',
      'set-cookie': ['a=1', 'b=2'],
    }
    response.writeHead(Number(status ?? 200), headers).end(BODIES[name])
  })
  const client = new OptimizedGitHubClient(url, { cacheDir: join(await workspace(t), 'cache') })
  const all = async (/** @type {string} */ path) => ({
    theirs: await fetch(`${url}${path}`),
    miss: await client.fetch(path),
    hit: await client.fetch(path),
  })
  return { client, all }
}

/**
 * What a method resolves or rejects to, in a form to compare.
 *
 * @param {any} response
 * @param {string} method
 */
async function outcome(response, method) {
  try {
    const value = await response[method]()
    if (value instanceof ArrayBuffer) return Buffer.from(value).toString('hex')
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
    if (value instanceof Blob) return { type: value.type, text: await value.text() }
    return value
  } catch (error) {
    return /** @type {Error} */ (error).constructor.name
  }
}

test('it is a Response in every property', async (t) => {
  const { all } = await setUp(t)
  const { theirs, miss, hit } = await all('/json')
  for (const ours of [miss, hit]) {
    assert.ok(ours instanceof Response)
    assert.equal(Object.prototype.toString.call(ours), '[object Response]')
    for (const name of /** @type {const} */ ([
      ...['status', 'statusText', 'ok', 'url', 'redirected', 'bodyUsed'],
    ])) {
      assert.equal(/** @type {any} */ (ours)[name], /** @type {any} */ (theirs)[name], name)
    }
    assert.ok(ours.headers instanceof Headers)
    assert.equal(ours.headers, ours.headers)
    assert.equal(ours.headers.get('x-name'), theirs.headers.get('x-name'))
    assert.deepEqual(ours.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.ok(ours.body instanceof ReadableStream)
    assert.equal(ours.body, ours.body)
  }
})

test('every way to read it gives what the platform gives, once', async (t) => {
  const { all } = await setUp(t)
  for (const name of Object.keys(BODIES)) {
    for (const method of ['json', 'text', 'arrayBuffer', 'blob', 'formData']) {
      const { theirs, miss, hit } = await all(`/${name}`)
      const expected = await outcome(theirs, method)
      for (const ours of [miss, hit]) {
        assert.deepEqual(await outcome(ours, method), expected, `${name} ${method}`)
        assert.equal(ours.bodyUsed, theirs.bodyUsed, `${name} ${method}`)
        assert.equal(await outcome(ours, 'text'), await outcome(theirs, 'text'))
        assert.equal(await outcome(ours, 'json'), 'TypeError')
        assert.throws(() => ours.clone(), TypeError)
        assert.equal(ours.body?.locked, theirs.body?.locked)
      }
    }
    const { hit } = await all(`/${name}`)
    assert.equal(await outcome(hit, 'bytes'), BODIES[name].toString('hex'))
    assert.equal(hit.bodyUsed, true)
  }
})

test('the stream, its lock and clones', async (t) => {
  const { all } = await setUp(t)
  const { theirs, hit } = await all('/json')
  for (const response of [theirs, hit]) {
    const copy = response.clone()
    assert.equal(copy.url, response.url)
    assert.notEqual(copy.headers, response.headers)
    assert.deepEqual([...copy.headers], [...response.headers])
    assert.deepEqual(await copy.json(), { a: [1, 2, '\u00e9\u{1f600}'] })
    assert.equal(response.bodyUsed, false)
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader()
    assert.throws(() => response.clone(), TypeError)
    await assert.rejects(response.text(), TypeError)
    const { value } = await reader.read()
    assert.deepEqual(Buffer.from(/** @type {Uint8Array} */ (value)), BODIES.json)
    assert.equal(response.bodyUsed, true)
  }
  const streamed = (await all('/json')).hit
  void streamed.body
  const late = streamed.clone()
  assert.deepEqual([await streamed.text(), await late.text()], Array(2).fill(String(BODIES.json)))
  assert.equal(late.url, streamed.url)
  assert.equal(await new Response((await all('/text')).hit.body).text(), 'no json')
})

test('what is read belongs to the reader', async (t) => {
  const { all } = await setUp(t)
  const { hit } = await all('/ascii')
  const copy = hit.clone()
  new Uint8Array(await hit.arrayBuffer()).fill(0)
  assert.equal(await copy.text(), '[1, 2]')
  assert.equal(await (await all('/ascii')).hit.text(), '[1, 2]')
})

test('statuses without a body have none', async (t) => {
  const { client } = await setUp(t)
  for (const status of [204, 205]) {
    const response = await client.fetch(`/none/${status}`)
    assert.deepEqual([response.status, response.body, response.bodyUsed], [status, null, false])
    assert.deepEqual([await response.text(), await response.text()], ['', ''])
    assert.equal(response.bodyUsed, false)
    assert.equal(response.clone().body, null)
  }
  assert.equal((await client.fetch('/json', { method: 'HEAD' })).body, null)
})
