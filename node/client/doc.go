// Package client is topicd's Go client: it publishes and subscribes over one
// WebSocket and keeps at it.
//
//	c, err := client.Dial(ctx, client.Options{URL: "ws://gateway:22345/ws"})
//	defer c.Close()
//	c.Subscribe(ctx, "greenhouse/#", client.SubOptions{}, func(m client.Message) {
//		fmt.Println(m.Topic, string(m.JSON()))
//	})
//	c.Publish(ctx, "greenhouse/1/temp", 21.5)
//
// # What survives an outage
//
// Dial connects once or fails. From then on a lost connection is made again
// until Close, with a back-off that starts at 200 ms and is spread by chance.
// Subscriptions go on where they stood: one to an exact name asks for what
// follows the last number it saw, one to a pattern for what came since a time of
// the hub's own clock, a few seconds before it last heard of the hub, and drops
// what it has seen before, which is known by its number. Nobody sets that clock,
// and how long the outage was does not count.
// What the hub's ring still holds comes, and comes once. What it no longer
// holds is counted in Message.Drop of the topic's next reading. When the hub
// itself restarted its numbers begin anew: Message.Restart.
//
// A request under way is asked again on the new connection. A publish is too
// where Options.Dev is set, for then the hub recognises a number it has had;
// without Dev it ends with ErrUncertain.
//
// # Goroutines and order
//
// Callbacks run on the one goroutine that reads the socket, in the order of the
// hub's messages. A slow callback therefore slows the reading, the socket fills
// up and the hub counts what this reader misses: memory stays bounded. It also
// means that a callback must not wait for an answer: no Publish, Get, Subscribe
// or Close in it; Send and Start are fine.
package client
