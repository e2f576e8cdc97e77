// Reads an event stream with a browser's EventSource.
//   node events.js URL
// Prints "open", "message ID DATA", "live DATA", "bye DATA", "error CODE"; ends
// with its input.
import { EventSource } from 'eventsource'

const es = new EventSource(process.argv[2])
es.onopen = () => console.log('open')
es.onmessage = e => console.log('message', e.lastEventId, e.data)
es.onerror = e => console.log('error', e.code ?? '')
for (const name of ['live', 'bye']) es.addEventListener(name, e => console.log(name, e.data))
process.stdin.resume().on('end', () => es.close())
