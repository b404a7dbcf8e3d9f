// @ts-check
import { once } from 'node:events'
import { createServer } from 'node:http'

/**
 * A loopback server that answers each path by its handler and keeps the requests.
 *
 * @param {import('node:test').TestContext} t
 * @param {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse, count: number) => void} handler
 */
export async function serve(t, handler) {
  /** @type {{ method: string | undefined, url: string | undefined, headers: import('node:http').IncomingHttpHeaders, body: string }[]} */
  const requests = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { method, url, headers } = request
    requests.push({ method, url, headers, body })
    handler(request, response, requests.length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { url: `http://127.0.0.1:${port}`, requests, server }
}
