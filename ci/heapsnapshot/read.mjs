// Reads a snapshot with the code of Chrome's DevTools, and compares what it computes with what
// `gc-core/tests/heapsnapshot.rs` has built: a server with 300 sessions.
import { createReadStream } from 'node:fs'
import assert from 'node:assert/strict'
import { parse } from 'heap-snapshot-toolkit'

const snapshot = await parse(createReadStream(process.argv[2], 'utf-8'))
const all = []
for (const nodes = snapshot.allNodes(); nodes.hasNext(); nodes.next()) {
  const node = nodes.item()
  const edges = []
  for (const each = node.edges(); each.hasNext(); each.next()) {
    const edge = each.item()
    edges.push({ name: edge.name(), type: edge.type(), to: edge.node().name(), id: edge.node().id() })
  }
  const { retained, self } = { retained: node.retainedSize(), self: node.selfSize() }
  all.push({ name: node.name(), id: node.id(), distance: node.distance(), retained, self, edges })
}
const named = (text) => all.filter((node) => node.name.startsWith(text))
const [server] = named('heapsnapshot::Server')
const sessions = named('heapsnapshot::Session')
assert.equal(sessions.length, 300)
const edge = (node, name) => node.edges.filter((edge) => edge.name === name)
assert.equal(edge(server, 'sessions[]').length, 300)
assert.equal(edge(server, 'name').length, 1)
// What DevTools computes by its own dominators: a session keeps its user and its weak box.
for (const session of sessions) {
  const kept = [...edge(session, 'user'), ...edge(session, 'server')]
  const sizes = kept.map((edge) => all.find((node) => node.id === edge.id).self)
  assert.equal(session.retained, session.self + sizes.reduce((a, b) => a + b))
  assert.equal(session.distance, server.distance + 1)
}
// A weak pointer back to the server keeps nothing: the root alone retains it.
assert(named('Root made at').some((root) => root.retained === server.retained), 'the root of the server')
const total = all.reduce((sum, node) => sum + node.self, 0)
assert.equal(snapshot.rootNode().retainedSize(), total)
console.log(`${all.length} nodes, ${total} bytes: names, retained sizes and distances agree`)
