// Asks a service for the time by one message, which is answered by one. Run: node examples/clock.js
import dgram from 'serval/dgram'

const clock = dgram.createSocket()
clock.on('message', (question, sender) => clock.send(`${question} noon`, sender))
clock.bind('clock.example', () => {
  const client = dgram.createSocket()
  client.on('message', answer => {
    console.log(`clock.example says: ${answer}`)
    client.close()
    clock.close()
  })
  client.send('it is', 'clock.example')
})
