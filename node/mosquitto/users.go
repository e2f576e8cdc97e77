package mosquitto

import (
	"slices"
	"strconv"
	"strings"

	"topicd/codec"
)

// rule is a line of an ACL file.
type rule struct {
	at     directive
	access string // read, write, readwrite, deny
	topic  string
}

// acl is an ACL file.
type acl struct {
	anonymous []rule
	users     map[string][]rule
	order     []string
	patterns  []rule
}

// users decides who needs a token, and who gets one with which rights.
func (r *reading) users() {
	all := r.listeners
	if !r.perlisten {
		all = []*listener{&r.general}
	}
	open, rules := true, false
	var passwords, acls []*directive
	for _, l := range all {
		if l.left != "" && r.perlisten {
			continue
		}
		yes := r.local && l.password == nil
		if l.anonymous != nil {
			yes = *l.anonymous
		}
		open = open && yes
		rules = rules || l.acl != nil
		passwords, acls = append(passwords, l.password), append(acls, l.acl)
	}
	if open && !rules && !r.plugin {
		r.set("", "access", `"lan"`)
	} else {
		r.set("", "access", `"token"`)
	}
	names := r.passwords(passwords)
	rights, ok := r.oneACL(acls)
	if rights != nil && open {
		r.add(acls[0].note(Taken, "nobody comes in without a token: rules for who has no name have no counterpart"))
	}
	nameIsClient := !slices.ContainsFunc(r.listeners, func(l *listener) bool { return l.left == "" && !l.nameIsClient && !r.general.nameIsClient })
	for _, name := range names {
		u := User{Name: name, Publish: []string{}, Subscribe: []string{}}
		switch {
		case !ok:
			u.Why = "the listeners have different rules, a token has one set of rights"
		case rights == nil:
			u.Publish, u.Subscribe = []string{"#"}, []string{"#", "$SYS/#"}
		default:
			r.rights(&u, rights, nameIsClient)
		}
		r.Users = append(r.Users, u)
	}
	if rights != nil {
		for _, name := range rights.order {
			if !slices.Contains(names, name) {
				at := rights.users[name]
				if len(at) > 0 {
					r.add(at[0].at.left("of user " + name + ", who has no password"))
				}
			}
		}
	}
}

// passwords are the names in password files: a password itself is a hash there and
// cannot be taken.
func (r *reading) passwords(files []*directive) (names []string) {
	var done []string
	for _, d := range files {
		if d == nil || slices.Contains(done, d.rest) {
			continue
		}
		done = append(done, d.rest)
		list, err := lines(beside(r.dir, d.rest))
		if err != nil {
			r.add(d.left("it cannot be read: " + err.Error()))
			continue
		}
		r.taken(d, "each user gets a token, which is the new password")
		for _, l := range list {
			name, _, found := strings.Cut(strings.TrimSpace(l.key+" "+l.rest), ":")
			if found && name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// oneACL reads the ACL file; false when listeners have different ones.
func (r *reading) oneACL(files []*directive) (*acl, bool) {
	var d *directive
	for i, f := range files {
		if i > 0 && (f == nil) != (files[0] == nil) || f != nil && files[0] != nil && f.rest != files[0].rest {
			r.add(f2(f, files[0]).left("another listener has other rules"))
			return nil, false
		}
		d = f
	}
	if d == nil {
		return nil, true
	}
	list, err := lines(beside(r.dir, d.rest))
	if err != nil {
		r.add(d.left("it cannot be read, so nobody gets a right: " + err.Error()))
		return &acl{}, true
	}
	r.taken(d, "publish and subscribe of each token")
	return r.parseACL(list), true
}

// f2 is the one of two that is there.
func f2(a, b *directive) *directive {
	if a != nil {
		return a
	}
	return b
}

// parseACL reads topic, user and pattern lines (mosquitto.conf(5), acl_file).
func (r *reading) parseACL(list []directive) *acl {
	a := &acl{users: map[string][]rule{}}
	user, named := "", false
	for _, d := range list {
		switch d.key {
		case "user":
			user, named = d.rest, true
			if _, known := a.users[user]; !known {
				a.users[user] = nil
				a.order = append(a.order, user)
			}
			continue
		case "topic", "pattern":
		default:
			r.add(d.left("not known in an ACL file: " + d.key))
			continue
		}
		w := rule{at: d, access: "readwrite", topic: d.rest}
		if first, rest, more := strings.Cut(d.rest, " "); more && slices.Contains([]string{"read", "write", "readwrite", "deny"}, first) {
			w.access, w.topic = first, strings.TrimSpace(rest)
		}
		switch {
		case d.key == "pattern":
			a.patterns = append(a.patterns, w)
		case !named:
			a.anonymous = append(a.anonymous, w)
			r.add(d.left("for who has no name"))
		default:
			a.users[user] = append(a.users[user], w)
		}
	}
	return a
}

// rights gives a user the patterns that the rules give him. A rule that denies takes
// away, which a token cannot say: who has one gets no token.
func (r *reading) rights(u *User, a *acl, nameIsClient bool) {
	for _, w := range append(slices.Clone(a.users[u.Name]), a.patterns...) {
		topic := w.topic
		if w.at.key == "pattern" {
			if strings.Contains(topic, "%u") && strings.ContainsAny(u.Name, "+#/") {
				continue // Mosquitto refuses such names here too
			}
			if nameIsClient {
				topic = strings.ReplaceAll(topic, "%c", "%u")
			}
			topic = strings.ReplaceAll(topic, "%u", u.Name)
		}
		if w.access == "deny" {
			u.Why, u.Publish, u.Subscribe = "a rule denies "+topic+": a token can only allow", []string{}, []string{}
			return
		}
		if why := untaken(w, topic); why != "" {
			r.once(w.at.left(why))
			continue
		}
		if w.access != "read" && topic[0] != '$' {
			u.Publish = with(u.Publish, topic)
		}
		if w.access != "write" {
			u.Subscribe = with(u.Subscribe, topic)
		}
		r.once(w.at.note(Taken, ""))
	}
	if len(u.Publish)+len(u.Subscribe) == 0 && u.Why == "" {
		u.Why = "no rule allows anything"
	}
}

// untaken is why a rule is not taken.
func untaken(w rule, topic string) string {
	switch {
	case strings.Contains(topic, "%c") && w.at.key == "pattern":
		return "a token does not know a client id; with %u it would be taken"
	case codec.CheckPattern([]byte(topic)) != nil:
		return codec.CheckPattern([]byte(topic)).Msg
	case topic[0] == '$' && w.access == "write":
		return "names that begin with $ are the hub's own"
	}
	return ""
}

// once adds a note for a line that has none yet.
func (r *reading) once(n Note) {
	if key := n.File + ":" + strconv.Itoa(n.Line); !r.said[key] {
		r.said[key] = true
		r.add(n)
	}
}

func with(list []string, v string) []string {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}
