package web

import (
	"bufio"
	"io"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/web/answer"
)

const (
	maxBatch = 1 << 20 // bytes of a batch: read line by line, never held as a whole
	maxNames = 1000    // topics that the answer to a batch names
)

// publisher publishes the readings of one request.
type publisher struct {
	hub    *node.Hub
	sess   *node.Session
	turn   *node.Turn
	n      int             // readings taken
	commit node.Commit     // what the answer waits for
	unkept *codec.Error    // why some are not on disk
	topics map[string]bool // where they went, up to maxNames
	long   []byte          // a line that does not fit the reader's buffer
	hold   func(int64) *codec.Error
}

// publish charges a reading to the session and stores it. A body may be long in
// coming: each reading has its own time.
func (p *publisher) publish(topic []byte, b node.Body, size int) (node.Published, *codec.Error) {
	p.hub.Tick(p.turn)
	if err := p.sess.Spend(1, size, p.turn.Mono); err != nil {
		return node.Published{}, err
	}
	if err := p.sess.MayPublish(topic); err != nil { // any more: a request is not cut
		return node.Published{}, err
	}
	done, err := p.sess.Publish(topic, b, 0, p.turn)
	if err != nil {
		return done, err
	}
	p.n++
	p.commit = max(p.commit, done.Commit)
	if done.Unkept != nil {
		p.unkept = done.Unkept
	}
	if len(p.topics) < maxNames && !p.topics[string(topic)] {
		p.topics[string(topic)] = true
	}
	return done, nil
}

// settle has the readings delivered, and waits until those of durable topics are on
// disk.
func (p *publisher) settle(gone <-chan struct{}) *codec.Error {
	p.turn.Wake()
	if p.unkept != nil {
		return p.unkept
	}
	return p.hub.Await(p.commit, gone)
}

// split publishes each record of a SenML pack to a topic of its own.
func (p *publisher) split(topic []byte, b node.Body) *codec.Error {
	records, err := dialect.Records(b.Enc, topic, b.Data, p.hub.Wall())
	for _, r := range records {
		if _, err := p.publish(r.Topic, r.Body, len(r.Body.Data)); err != nil {
			return err
		}
	}
	return err
}

// frame publishes {"topic","data"}, or an array of them.
func (p *publisher) frame(enc codec.Encoding, data []byte) *codec.Error {
	var d codec.Decoder
	d.Reset(enc, data)
	d.Imply(codec.OpPub)
	for {
		var m codec.Message
		err := d.Next(&m)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return codec.AsError(err)
		case m.Op != codec.OpPub || m.IsAlias:
			return errNoPub
		}
		if _, err := p.publish(m.Topic, node.Body{Enc: enc, Data: m.Data}, len(m.Data)); err != nil {
			return err
		}
	}
}

var errNoPub = &codec.Error{Code: codec.CodeMalformed, Msg: `a reading is {"topic","data"}`}

// batch publishes lines: each the data of a reading of topic, or, where that is
// nil, {"topic","data"}. Empty lines are left out. It ends at the first
// refusal, which names its line.
func (p *publisher) batch(r io.Reader, topic []byte) *codec.Error {
	limit := p.hub.Options().MaxBody
	br := bufio.NewReaderSize(&capped{r: r, left: maxBatch, turn: p.turn}, answer.FewHeld)
	for n := 1; ; n++ {
		line, err := p.readLine(br, limit)
		if err != nil && err != io.EOF {
			return atLine(n, readLineError(err))
		}
		if text := codec.Strip(codec.JSON, line); len(text) > 0 {
			if bad := p.line(topic, text); bad != nil {
				return atLine(n, bad)
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

func (p *publisher) line(topic, text []byte) *codec.Error {
	if topic == nil {
		return p.frame(codec.JSON, text)
	}
	if err := codec.Validate(codec.JSON, text); err != nil {
		return codec.AsError(err)
	}
	_, err := p.publish(topic, node.Body{Enc: codec.JSON, Data: text}, len(text))
	return err
}

// readLine reads up to and with the end of a line. The line is good until the
// next call.
func (p *publisher) readLine(br *bufio.Reader, limit int) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		if len(line) > limit+2 {
			return nil, errLong
		}
		return line, err
	}
	if p.long == nil {
		if err := p.hold(int64(limit)); err != nil {
			return nil, err
		}
	}
	p.long = append(p.long[:0], line...)
	for err == bufio.ErrBufferFull {
		if len(p.long) > limit+2 {
			return nil, errLong
		}
		line, err = br.ReadSlice('\n')
		p.long = append(p.long, line...)
	}
	return p.long, err
}

var (
	errLong  = &codec.Error{Code: codec.CodeTooLarge, Msg: "the line is longer than this hub takes"}
	errBatch = &codec.Error{Code: codec.CodeTooLarge, Msg: "a batch has at most 1 MiB: send the rest in another"}
)

func readLineError(err error) *codec.Error {
	if e, ok := err.(*codec.Error); ok {
		return e
	}
	return answer.ReadError(err)
}

// atLine tells where in the batch the refusal is.
func atLine(n int, e *codec.Error) *codec.Error {
	at := codec.Errorf(e.Code, "line %d: %s", n, e.Msg)
	at.Retry = e.Retry
	return at
}

// capped reads at most left bytes; one more is an error. Subscribers get what has come
// so far before it waits for more, where a line ends or not.
type capped struct {
	r    io.Reader
	left int
	turn *node.Turn
}

func (c *capped) Read(b []byte) (int, error) {
	c.turn.Wake()
	if len(b) > c.left+1 {
		b = b[:c.left+1]
	}
	n, err := c.r.Read(b)
	if n > c.left {
		n, err = c.left, errBatch
	}
	c.left -= n
	return n, err
}
