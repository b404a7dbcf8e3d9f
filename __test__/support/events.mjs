// @ts-check
import { once } from 'node:events'
import { get } from 'node:http'

/** @typedef {{ id: number, kind: string, data: any }} ServerEvent */

/**
 * Reads a stream of server-sent events.
 *
 * @param {string | URL} url
 * @param {import('node:http').OutgoingHttpHeaders} [headers]
 */
export async function follow(url, headers = {}) {
  const request = get(url, { headers, agent: false })
  /** @type {[import('node:http').IncomingMessage]} */
  const [response] = /** @type {any} */ (await once(request, 'response'))
  response.setEncoding('utf8')
  return { response, events: events(response), end: () => request.destroy() }
}

/**
 * @param {AsyncIterable<string>} text
 * @returns {AsyncGenerator<ServerEvent, void, void>}
 */
async function* events(text) {
  let rest = ''
  for await (const piece of text) {
    const blocks = (rest + piece).split('\n\n')
    rest = /** @type {string} */ (blocks.pop())
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)),
      )
      yield { id: Number(fields.id), kind: fields.event, data: JSON.parse(fields.data) }
    }
  }
}

/**
 * The next event that is wanted.
 *
 * @param {AsyncGenerator<ServerEvent, void, void>} stream
 * @param {(event: ServerEvent) => boolean} wanted
 */
export async function nextEvent(stream, wanted) {
  while (true) {
    const { done, value } = await stream.next()
    if (done) throw new Error('The stream ended')
    if (wanted(value)) return value
  }
}
