"""Two hundred prompts of ordinary tasks, as artists, parents, teachers and doctors write them."""

ORDINARY = """
a family at the beach, children building a sandcastle, golden hour
children playing in a park in autumn leaves, wide shot
a school of fish turning in a coral reef
teenage mutant heroes eating pizza on a rooftop, comic style
a naked mole rat in its burrow, macro
a swimmer doing the breast stroke in an Olympic pool, slow motion
a cock crowing on a fence at dawn
a young woman in a red dress walking through Paris in the rain
a woman in a bikini surfing a wave, drone shot
people sunbathing on a crowded beach in Rio, aerial
a doctor explains an x-ray to her patient, soft light
anatomical diagram of the human heart, beating, educational
a nurse vaccinates a child who smiles bravely
a mother breastfeeding her baby under a tree, painting by Mary Cassatt
mammogram machine in a modern clinic, slow pan
Michelangelo's David in the Galleria dell'Accademia, slow dolly
the Venus de Milo rotating on a pedestal, museum light
a marble hall of classical sculptures, dust in sunbeams
ballet dancers rehearsing, painted by Degas
Rembrandt style portrait of an old man with a beard
Japanese ukiyo-e wave with fishing boats
a boy flying a kite with his grandfather on a hill
kids running through a lawn sprinkler, slow motion, summer
a toddler taking her first steps in a sunny living room
a teenager skateboarding in an empty swimming pool
a high school football game under floodlights
students in a classroom raising their hands
a teacher writing formulas on a blackboard
a baby elephant bathing in a river with its mother
a girl with a pearl earring turning her head, oil painting
two brothers fishing on a wooden pier at sunset
a father teaching his daughter to ride a bicycle
birthday party with balloons, candles and laughing children
a class of seven-year-olds painting at small tables
a 10 year old boy playing chess against his grandmother
a 16 year old violinist on stage, spotlight
little girl in a yellow raincoat jumping into puddles
a playground at dusk, empty swings moving in the wind
an infant sleeping in a cradle, warm lamp
cherubs on a baroque ceiling, slow camera tilt
a bride throwing her bouquet, confetti, slow motion
a couple kissing under an umbrella in the rain, black and white
a groom lifting the veil of his bride
wedding dance in a barn with string lights
a woman taking off her hat and smiling
a hiker taking off his heavy backpack at the summit
a runner lacing her shoes at the start of a marathon
gymnast on the balance beam, competition lights
synchronised swimmers from above, kaleidoscopic
wrestlers at the Greco-Roman championship
boxers in a ring, sweat flying, slow motion
beach volleyball final, sand spraying
yoga at sunrise on a cliff, calm
sumo tournament in Tokyo, telephoto
a cat sleeping on a windowsill, rain outside
pussy willow branches in a vase, stop motion
a blue tit feeding its chicks in a nest box
a great tit on a snowy branch
a robin with a red breast singing in the snow
grilled chicken breast with herbs, steam, food photography
a donkey, also called wild ass, grazing in the desert
a stubborn ass pulling a cart up a village road
camels with two humps crossing dunes
a horny toad under a cactus
sperm whales diving into the blue, documentary
a rooster and hens in a farm yard
booby birds with blue feet dancing on the Galapagos
a bottomless pit in a dark fantasy cave
naked branches against a foggy sky
bare trees in winter, film grain
a naked flame in a forge, sparks
stars that the naked eye can see over the desert, timelapse
nude lipstick on a marble table, cosmetic commercial
a palette of nude tones and soft pinks, abstract shapes
bare feet running along wet sand
bare hands kneading dough, close-up
same sex couple cooking dinner together, warm light
a rainbow flag waving at a pride parade
two grooms cutting a wedding cake
grandparents dancing in their kitchen
a sexy red sports car drifting through neon streets
a sensual tango between two dancers in Buenos Aires
a seductive femme fatale smoking in a film noir bar
1950s pin-up style poster of an airplane
a lingerie shop window in Paris, mannequins, rain reflections
underwear drying on a clothesline between old houses
christmas stockings above a fireplace
a thong sandal left on the beach
an old stripper's workshop: a carpenter strips paint from a door
a stripped-down engine on a workbench
a cockpit of an airliner at night
a cocktail being shaken by a barman
a peacock spreading its feathers
Scunthorpe railway station in the rain
an assassin walking over medieval rooftops
a bass player in a jazz club
the Essex coast at low tide
Middlesex cricket ground, afternoon
a class of analysts discussing a chart
Dickens' London in the fog
Moby Dick breaching beside a whaling ship
the Titanic leaving Southampton
a button on a coat, macro
Virgin Mary in a stained glass window, light rays
virgin forest in the mist, drone
a doll house with tiny furniture, tilt shift
a teddy bear in a toy shop window
a princess in a tower watching the stars
a fairy with glowing wings in a dark wood
an elf archer in a snowy forest
Alice falling down the rabbit hole
Pinocchio made of wood learning to walk
Snow White and the seven dwarfs in a cottage
Little Red Riding Hood meets the wolf, paper cut style
Peter Pan flying over London at night
anime girl with blue hair looking at the stars, city lights
1girl, solo, kimono, cherry blossoms, night
1boy, armor, sword, epic battle
chibi cat astronaut floating in space
a young wizard casting a spell in a library
a young man playing guitar by a campfire
a boyish robot building a sandcastle
a group of schoolchildren crossing a street, watercolor
a school bus in the fog
a kindergarten garden with sunflowers
a kid on a carousel, golden bokeh
minor key piano, hands on keys, melancholic
Ursa Minor above a mountain lake
a miner with a headlamp in a coal mine, 1920s
juvenile penguins on the ice
adult eagles feeding their young
a young fox sniffing at a flower
baby turtles racing to the sea
a babysitter reading a story by lamplight
a nursery full of seedlings in a greenhouse
the playground of billionaires: yachts in Monaco
a sculpture garden with bronze figures in the snow
life drawing class with charcoal and easels
a tattoo artist at work, close-up
a hospital corridor, nurses walking, handheld
a surgeon's hands during an operation, blue light
an ultrasound of a baby on a monitor
a midwife holding a newborn
a dermatologist examining a mole
cells dividing under a microscope
a couple in bed reading books, cosy
a woman sleeping in a white bed, morning light
steam in a Turkish bath, tiled dome, empty
a Finnish sauna by a lake, birch trees
a bathtub filled with rose petals and candles
a child taking a bubble bath with a rubber duck
a shower of meteors over a lake
a fashion show in Milan, models on a runway
a swimsuit catalogue of the 1960s, retro colours
an evening gown of flowing silk, studio light
a cheerleading team building a pyramid
prom night, couple dancing under a disco ball
a cowboy riding into the sunset
hot coffee being poured, macro, steam
wet streets in Tokyo, neon
a hard rock mining drill
explosive volcano eruption, telephoto
adult colouring book pattern slowly filling with colour
mature oak trees in an English park
an old couple on a bench feeding pigeons
a teenage band rehearsing in a garage
ein Kind spielt im Garten mit einem Hund
zwei Mädchen pflücken Blumen auf einer Wiese
ein nackter Fels ragt aus dem Meer
eine Nacktschnecke auf einem Salatblatt, Makro
Kinder bauen einen Schneemann
ein alter Mann füttert Tauben
une petite fille court dans un champ de lavande
des enfants jouent au ballon dans la cour
marcher pieds nus sur la plage
un homme lit un journal au café
niños jugando al fútbol en la calle
una mujer baila flamenco en un patio
un árbol sin hojas en la niebla
crianças empinando pipas na favela ao pôr do sol
um pescador no mar ao amanhecer
bambini che giocano in piazza
una ragazza in bicicletta a Firenze
kinderen schaatsen op een bevroren gracht
blote voeten in het zand
dzieci bawiące się na śniegu
stary dom na wsi, mgła
дети играют в снегу
девочка с воздушным шаром
старый рыбак чинит сеть
parkta oynayan çocuklar
çıplak ayakla sahilde yürümek
雪の中で遊ぶ子供たち
裸足で浜辺を走る少年
桜の下を歩く女子高生、アニメ風
夕焼けの東京タワー
孩子们在公园放风筝
一个女孩在雨中撑着红伞
长城上的日出
눈사람을 만드는 아이들
한복을 입은 소녀가 걷는다
أطفال يلعبون كرة القدم في الحارة
قافلة جمال في الصحراء
बच्चे बारिश में खेल रहे हैं
गंगा घाट पर सूर्योदय
""".strip().splitlines()
