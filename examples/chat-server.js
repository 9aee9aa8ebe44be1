// A chat room: what one says, all others read. Run: node examples/chat-server.js [SERVICE]
// (default service: chat.example), then node examples/chat-client.js NAME in other terminals.
import net from 'serval/net'

const [service = 'chat.example'] = process.argv.slice(2)
/** @type {Set<import('serval/net').Socket>} */
const members = new Set()

const server = net.createServer(socket => {
  members.add(socket)
  socket.write(`welcome, ${members.size} in the room\n`)
  socket.setEncoding('utf8')
  let line = ''
  socket.on('data', text => {
    line += text
    const lines = line.split('\n')
    line = lines.pop() ?? ''
    for (const said of lines) tellOthers(socket, `${said}\n`)
  })
  socket.on('end', () => socket.end())
  socket.on('error', () => {})
  socket.on('close', () => members.delete(socket))
})

/** @param {import('serval/net').Socket} speaker @param {string} text */
function tellOthers(speaker, text) {
  for (const member of members) if (member !== speaker) member.write(text)
}

server.on('error', error => {
  console.error(error.message)
  process.exit(1)
})
server.listen(service, () => console.log(`chat room open at ${service}`))
